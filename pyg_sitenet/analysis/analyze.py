"""All analyses of a model on a data set: figures, each with its table beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pyg_sitenet.analysis.attention import distance_table, histogram_table
from pyg_sitenet.analysis.attention_figure import plot_attention
from pyg_sitenet.analysis.crystal.crystal_tables import examine_crystals
from pyg_sitenet.analysis.earlier_files import remove_earlier
from pyg_sitenet.analysis.long_range import MEASURES, long_range_fits
from pyg_sitenet.analysis.long_range_figure import (
    plot_long_range,
    plot_long_range_heads,
)
from pyg_sitenet.analysis.model_errors import (
    COMPLEXITY,
    SIZE,
    error_column,
    errors_by_element,
    errors_by_measure,
    with_errors,
)
from pyg_sitenet.analysis.model_errors_figure import plot_errors, plot_errors_by_element
from pyg_sitenet.analysis.survey import Survey, survey
from pyg_sitenet.csv_file import write_table
from pyg_sitenet.data.failures_file import write_failures
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.errors import reporting_os_error
from pyg_sitenet.evaluation import score
from pyg_sitenet.figures import plot_learning_curve, plot_parity
from pyg_sitenet.file_locks import check_output_folder
from pyg_sitenet.prediction import Predictor, column_name

_FIRST = "attention.csv"
# Others may have files of these names, too.
_TABLES = ("crystals.csv", "failures.csv", "errors.csv", "parity.csv", "report.html")


@dataclass
class Analysis:
    """What :func:`analyze` found and where it is.

    Attributes:
        folder: Where figures and tables are.
        survey: One row per crystal, and the attention of all.
        metrics: For each target with known values its ``unit``, ``mae``, ``rmse``,
            ``r2``.
        fits: Long-range coefficient over measures of complexity.
        files: Names of the files written, in the order of the analyses.
        notes: What was left out, and why.
    """

    folder: Path
    survey: Survey
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    fits: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Note down a file and return its path."""
        self.files.append(name)
        return self.folder / name

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table as CSV."""
        write_table(self.path(name), table)


def analyze(
    predictor: Predictor,
    entries: Iterable[Item],
    output: str | Path,
    *,
    targets: Sequence[str] = (),
    history: Sequence[dict[str, float]] = (),
    best_epoch: int | None = None,
    workers: int | None = None,
) -> Analysis:
    """Run every analysis of a data set and write figures and tables.

    Args:
        predictor: The trained model.
        entries: The crystals, as ``open_source(data, targets).entries()`` gives them.
        output: The folder to write to; files of an earlier analysis are replaced.
        targets: Targets of the model whose values the entries carry.
        history: Errors of every epoch of the training, for the learning curve.
        best_epoch: The epoch whose weights are kept.
        workers: Other processes that encode, 0 for one per core; None for this one.

    Returns:
        The tables, and the names of all files.

    Raises:
        DataError: If no crystal can be used, or the folder cannot be written.
        SiteNetError: If it holds files of another command.
    """
    folder = Path(output)
    check_output_folder(folder, _TABLES, [_FIRST])
    with reporting_os_error(folder, "choose another --output"):
        folder.mkdir(parents=True, exist_ok=True)
    is_again = (folder / _FIRST).exists()
    analysis = Analysis(folder, survey(predictor, entries, targets, workers=workers))
    _write_attention(analysis)  # first: a later analysis knows the folder by it
    _write_crystals(analysis)
    _write_learning_curve(analysis, predictor, history, best_epoch)
    _write_long_range(analysis, predictor)
    _write_errors(analysis, predictor)
    if is_again:
        remove_earlier(folder, analysis.files)
    return analysis


def examine(
    predictor: Predictor,
    entries: Iterable[Item],
    analysis: Analysis,
    ids: Sequence[str] = (),
) -> None:
    """Examine single crystals and add their files to those of an analysis.

    Args:
        predictor: The trained model.
        entries: The crystals that were analysed, once more.
        analysis: The analysis; crystals that cannot be examined are noted
            there and in its failures.
        ids: Which ones; without any, the only crystal of the analysis, if it has one.
    """
    crystals = analysis.survey.crystals["id"]
    wanted = list(ids) or (list(crystals) if len(crystals) == 1 else [])
    if not wanted:
        return
    folder = analysis.folder / "crystals"
    files, failures = examine_crystals(predictor, entries, wanted, folder)
    analysis.files += [f"crystals/{name}" for name in files]
    analysis.survey.failures.extend(failures)
    analysis.notes += [
        f"not examined: {failure.id}: {failure.reason}" for failure in failures
    ]
    write_failures(analysis.folder / "failures.csv", analysis.survey.failures)


def _write_crystals(analysis: Analysis) -> None:
    analysis.write_table("crystals.csv", analysis.survey.crystals)
    write_failures(analysis.path("failures.csv"), analysis.survey.failures)


def _write_learning_curve(
    analysis: Analysis,
    predictor: Predictor,
    history: Sequence[dict[str, float]],
    best_epoch: int | None,
) -> None:
    if not history:
        analysis.notes.append(
            "no learning curve: the model's run folder, with its metrics.json, was not "
            "given"
        )
        return
    description = predictor.description
    plot_learning_curve(
        analysis.path("learning_curve.png"), history, description.units,
        description.targets, best_epoch=best_epoch,
    )  # fmt: skip
    analysis.write_table("learning_curve.csv", pd.DataFrame(history))


def _write_attention(analysis: Analysis) -> None:
    histogram = analysis.survey.attention
    analysis.write_table(_FIRST, histogram_table(histogram))
    plot_attention(analysis.path("attention.png"), histogram, with_self=True)
    name = "attention_without_self.png"
    plot_attention(analysis.path(name), histogram, with_self=False)
    analysis.write_table("attention_by_distance.csv", distance_table(histogram))


def _write_long_range(analysis: Analysis, predictor: Predictor) -> None:
    crystals, config = analysis.survey.crystals, predictor.description.config.model
    analysis.fits = long_range_fits(crystals, config.blocks, config.heads)
    plot_long_range(analysis.path("long_range.png"), crystals, analysis.fits)
    names = ("long_range_heads_complexity.png", "long_range_heads_volume.png")
    for name, measure in zip(names, MEASURES, strict=True):
        plot_long_range_heads(analysis.path(name), crystals, analysis.fits, measure)
    analysis.write_table("long_range.csv", analysis.fits)


def _write_errors(analysis: Analysis, predictor: Predictor) -> None:
    targets, units = predictor.description.outputs, predictor.description.units
    crystals, labelled = analysis.survey.crystals, []
    for target in targets:
        name = column_name(target, units)
        if name in crystals and crystals[name].notna().any():
            labelled.append(target)
        else:
            analysis.notes.append(
                f"no errors of {target}: the data state no values of it"
            )
    if not labelled:
        return
    names = [column_name(target, units) for target in labelled]
    crystals = with_errors(crystals, names)
    _write_parity(analysis, crystals, labelled, units)
    for number, (target, name) in enumerate(zip(labelled, names, strict=True)):
        stem = "errors" if len(targets) == 1 else f"errors_{number + 1}"
        _write_errors_of(analysis, crystals, name, stem)
        rows = crystals.dropna(subset=error_column(name))
        scores = score(rows[name], rows[f"predicted {name}"])
        analysis.metrics[target] = {"unit": units.get(target, "")} | scores


def _write_parity(
    analysis: Analysis,
    crystals: pd.DataFrame,
    targets: list[str],
    units: dict[str, str],
) -> None:
    names = [column_name(target, units) for target in targets]
    predicted = [f"predicted {name}" for name in names]
    truth, values = crystals[names].to_numpy(), crystals[predicted].to_numpy()
    path = analysis.path("parity.png")
    plot_parity(path, truth, values, units, targets, kind="crystals")
    analysis.write_table("parity.csv", crystals[["id", "formula", *names, *predicted]])


def _write_errors_of(
    analysis: Analysis, crystals: pd.DataFrame, name: str, stem: str
) -> None:
    measures = {name: name, "size": SIZE, "complexity": COMPLEXITY}
    table = errors_by_measure(crystals, name, measures)
    plot_errors(
        analysis.path(f"{stem}.png"),
        crystals,
        table,
        measures,
        error_column(name),
        name,
    )
    analysis.write_table(f"{stem}.csv", table.assign(target=name))
    elements = errors_by_element(crystals, name)
    plot_errors_by_element(analysis.path(f"{stem}_by_element.png"), elements, name)
    analysis.write_table(f"{stem}_by_element.csv", elements.assign(target=name))
