"""Cross-validation: every crystal is in one test part, a run for each of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_sitenet.config import Config
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.train import RunResult, train

SUMMARY = "summary.json"


def cross_validate(
    config: Config,
    output: str | Path,
    num_folds: int,
    *,
    resume: bool = False,
    progress: bool = False,
    cache: str | Path | None = None,
) -> RunResult:
    """Train once per fold, each time tested on another part of the crystals.

    The folder gets a run folder ``fold_0``, ``fold_1``, ... for each and a
    ``summary.json``: for each target and error of the test parts its ``mean``,
    ``std`` (over the folds, n - 1) and ``folds``.

    Args:
        config: All settings; its folds are set here. With ``data.split`` a fold keeps
            groups together.
        output: Folder of the runs.
        num_folds: How many there are.
        resume: Finished folds are kept, the one that was stopped is continued.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data, as in
            :func:`~pyg_sitenet.training.train.train`.

    Returns:
        The summary, the folder, and what became of the inputs.

    Raises:
        SiteNetError: As :func:`~pyg_sitenet.training.train.train` does.
    """
    folder, ledger = Path(output), Ledger()
    found = []
    for fold in range(num_folds):
        of_fold = folder / f"fold_{fold}"
        done = of_fold / "metrics.json"
        if resume and done.is_file():
            found.append(json.loads(done.read_text(encoding="utf-8")))
            continue
        data = config.data.model_copy(update={"folds": num_folds, "fold": fold})
        started = resume and (of_fold / "config.yaml").is_file()
        result = train(
            config.model_copy(update={"data": data}),
            of_fold,
            resume=started,
            progress=progress,
            cache=cache,
        )
        found.append(result.metrics)
        ledger = result.ledger
    summary = {"folds": num_folds, "targets": summarise_folds(found)}
    _write(folder / SUMMARY, summary)
    return RunResult(summary, folder, ledger)


def summarise_folds(
    metrics: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return mean and spread over the folds of each target's test errors.

    Args:
        metrics: What ``metrics.json`` of each fold holds.
    """
    summary: dict[str, dict[str, Any]] = {}
    for target, first in metrics[0]["targets"].items():
        parts = [one["targets"][target] for one in metrics]
        summary[target] = {
            "unit": first["unit"],
            "test": _over_folds([part["test"] for part in parts]),
            "baselines": {
                name: {
                    "test": _over_folds([p["baselines"][name]["test"] for p in parts])
                }
                for name in first["baselines"]
            },
        }
    return summary


def _over_folds(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {}
    for name, first in scores[0].items():
        values = [one[name] for one in scores]
        if isinstance(first, list | dict) or None in values:
            continue  # no number, or not defined in a fold
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found[name] = {"mean": float(np.mean(values)), "std": std, "folds": values}
    return found


def _write(path: Path, summary: Mapping[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise SiteNetError(
            f"{path}: cannot be written: {error.strerror}; the runs of the folds are "
            "complete: free some space and continue with resume (--resume)"
        ) from error
