"""What a report shows, gathered from a model and its analysis."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pyg_sitenet.analysis.analyze import Analysis
from pyg_sitenet.analysis.attention import distance_table, histogram_table
from pyg_sitenet.analysis.complexity_encoder import read_crystal
from pyg_sitenet.analysis.model_errors import with_errors
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError, SiteNetWarning, StructureError
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.prediction import Predictor, column_name
from pyg_sitenet.report.view import CrystalView, view_crystal

DEFAULT_VIEWS = 4
"""Crystals in the 3-D view unless they are named."""


@dataclass(frozen=True)
class ReportContent:
    """What a report shows.

    Attributes:
        title: Heading of the page.
        description: Of the model.
        crystals: One row per crystal, as :func:`~pyg_sitenet.analysis.survey.survey`
            makes them, with the error of each known target.
        attention: What :func:`~pyg_sitenet.analysis.attention.histogram_table` gives.
        distances: What :func:`~pyg_sitenet.analysis.attention.distance_table` gives.
        target_columns: Headings of the targets with known values.
        metrics: Errors on these crystals, by target.
        history: Errors of every epoch of the training.
        best_epoch: The epoch whose weights are kept.
        failures: Inputs that could not be used.
        notes: What was left out, and why.
        views: Crystals for the 3-D view.
    """

    title: str
    description: ModelDescription
    crystals: pd.DataFrame
    attention: pd.DataFrame
    distances: pd.DataFrame
    target_columns: tuple[str, ...] = ()
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    best_epoch: int | None = None
    failures: Sequence[Failure] = ()
    notes: Sequence[str] = ()
    views: Sequence[CrystalView] = ()


def collect(
    predictor: Predictor,
    analysis: Analysis,
    entries: Iterable[Item],
    *,
    title: str,
    history: Sequence[Mapping[str, float]] = (),
    best_epoch: int | None = None,
    chosen: Sequence[str] = (),
) -> ReportContent:
    """Gather a report.

    Args:
        predictor: The trained model.
        analysis: What :func:`~pyg_sitenet.analysis.analyze.analyze` found.
        entries: The same crystals once more, for the 3-D view.
        title: Heading of the page.
        history: Errors of every epoch of the training.
        best_epoch: The epoch whose weights are kept.
        chosen: Ids of the crystals to view. (default: those with the largest errors,
            or the farthest reach where no value is known)

    Returns:
        The content; a crystal that cannot be viewed is a note in it, and too large a
        one a warning too.

    Raises:
        DataError: If an id names several crystals.
    """
    crystals, units = analysis.survey.crystals, predictor.description.units
    target_columns = tuple(column_name(target, units) for target in analysis.metrics)
    crystals = with_errors(crystals, target_columns)
    names = crystals["id"].astype(str)
    if (again := names[names.duplicated()]).size:
        raise DataError(
            f"{again.iloc[0]!r} is the id of more than one crystal; "
            "give each an id of its own, and analyse them again"
        )
    present = set(names)
    ids = [name for name in chosen if name in present]
    ids = ids or telling_crystals(crystals, target_columns)
    views, notes = _view_all(predictor, entries, ids, crystals)
    return ReportContent(
        title=title,
        description=predictor.description,
        crystals=crystals,
        attention=histogram_table(analysis.survey.attention),
        distances=distance_table(analysis.survey.attention),
        target_columns=target_columns,
        metrics=analysis.metrics,
        history=history,
        best_epoch=best_epoch,
        failures=analysis.survey.failures,
        notes=[*analysis.notes, *notes, *_missing(chosen, present)],
        views=views,
    )


def telling_crystals(
    crystals: pd.DataFrame, target_columns: Sequence[str]
) -> list[str]:
    """Return ids of the crystals with the largest errors, or of the farthest reach."""
    key = crystals["long range [A]"]
    if target_columns:
        key = crystals[f"error of {target_columns[0]}"].abs()
    worst = key.sort_values(ascending=False).dropna().index[:DEFAULT_VIEWS]
    return [str(name) for name in crystals.loc[worst, "id"]]


def _missing(chosen: Sequence[str], present: Collection[str]) -> list[str]:
    return [
        f"not in the 3-D view: there is no crystal {name!r} among the {len(present)} "
        "analysed ones (their ids are in crystals.csv)"
        for name in chosen
        if name not in present
    ]


def _view_all(
    predictor: Predictor,
    entries: Iterable[Item],
    ids: Sequence[str],
    crystals: pd.DataFrame,
) -> tuple[list[CrystalView], list[str]]:
    rows = crystals.assign(id=crystals["id"].astype(str)).set_index("id")
    wanted, views, notes = set(ids), {}, []
    for entry in entries:
        if entry.id not in wanted or isinstance(entry, Failure):
            continue
        wanted.remove(entry.id)
        record = read_crystal(entry)
        try:
            if isinstance(record, Failure):
                raise StructureError(f"{entry.id}: {record.reason}")
            values = _values(predictor, rows.loc[entry.id])
            views[entry.id] = view_crystal(
                predictor, record.structure, entry.id, values
            )
        except (DataError, StructureError) as error:
            notes.append(f"not in the 3-D view: {error}")
            if isinstance(error, DataError):  # others are among the failures
                warnings.warn(notes[-1], SiteNetWarning, stacklevel=3)
        if not wanted:
            break
    return [views[name] for name in ids if name in views], notes


def _values(predictor: Predictor, row: pd.Series) -> dict[str, float]:
    names = [name for column in predictor.columns for name in
             (column, f"predicted {column}")]  # fmt: skip
    return {name: float(row[name]) for name in names
            if name in row and pd.notna(row[name])}  # fmt: skip
