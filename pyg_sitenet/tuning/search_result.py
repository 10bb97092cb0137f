"""A search and what came of it: trials as a table and a figure, the best settings."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.config import Config, dump_config
from pyg_sitenet.csv_file import write_table
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.tuning.search_figure import plot_search

EXPERIMENT = "ray"
"""Folder of Ray's own state below that of the search."""


@dataclass(frozen=True, slots=True)
class TuneResult:
    """Outcome of :func:`tune`.

    Attributes:
        config: The best settings.
        score: Their validation error in spreads of the training targets.
        trials: One row per trial: ``trial``, ``score``, ``epochs`` and the settings.
        folder: Holds ``best.yaml``, ``trials.csv``, ``figures/search.png``, the run
            folders of the trials (``trials/``), ``search.yaml`` (what is not searched),
            ``search_plan.json`` (what is, and how), ``data.json`` and
            ``crystals.csv`` (on what) and the state of the search (``ray/``).
    """

    config: Config
    score: float
    trials: pd.DataFrame
    folder: Path


def fit(tuner: Any, folder: Path) -> Any:  # noqa: ANN401 - ray has no types
    """Run the trials and return what Ray has of each.

    What Ray prints goes to the standard error: it would stand before the result.

    Raises:
        SiteNetError: If Ray cannot write its state, or not all of it.
    """
    try:
        with redirect_stdout(sys.stderr):
            return tuner.fit()
    except (OSError, EOFError) as error:
        is_cut_off = isinstance(error, EOFError)
        reason = "a file is cut off" if is_cut_off else " ".join(str(error).split())
        raise SiteNetError(
            f"{folder}: the search cannot keep its state there: {reason}; see that the "
            "disk has room, then continue with resume (--resume)"
        ) from error


def write_result(
    config: Config,
    folder: Path,
    results: Any,  # noqa: ANN401 - ray has no types
) -> TuneResult:
    """Write the table and the figure of all trials, and the best settings.

    Args:
        config: What is not searched.
        folder: The folder of the search, with Ray's own in ``ray/``.
        results: What Ray has of each trial.

    Raises:
        SiteNetError: If no trial came to an end.
    """
    from pyg_sitenet.tuning.space import apply_draw

    rows, draws = [], []
    for result in results:
        last = result.metrics or {}
        draws.append(result.config or {})
        state = {"trial": last.get("trial_id"), "score": last.get("score")}
        rows.append(state | {"epochs": last.get("epoch")} | draws[-1])
    trials = pd.DataFrame(rows)
    trials["score"] = pd.to_numeric(trials["score"], errors="coerce")
    if not trials["score"].notna().any():
        raise SiteNetError(
            f"{folder}: no trial finished an epoch; see the errors in "
            f"{folder / EXPERIMENT}: {results.errors[0] if results.errors else ''}"
        )
    write_table(folder / "trials.csv", trials)
    plot_search(folder / "figures" / "search.png", trials, list(draws[0]))
    index = int(trials["score"].idxmin())
    best = apply_draw(config, draws[index])
    write_text(folder / "best.yaml", dump_config(best))
    return TuneResult(best, float(trials["score"][index]), trials, folder)
