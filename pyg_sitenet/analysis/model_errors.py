"""Where the errors are: by target, by element, by size and by complexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

BINS = 8
"""Groups of about equally many crystals that a measure is divided into."""

SIZE, COMPLEXITY = "sites", "configurational complexity [bit]"
_COLUMNS = ("crystals", "mae", "standard error", "bias")


def error_column(name: str) -> str:
    """Return the column of the error (predicted less known) of a target."""
    return f"error of {name}"


def with_errors(crystals: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Add the column :func:`error_column` of each target.

    Args:
        crystals: Table with ``<name>`` and ``predicted <name>`` for each of them.
        names: The targets' names with their units.
    """
    added = {
        error_column(name): crystals[f"predicted {name}"] - crystals[name]
        for name in names
    }
    return crystals.assign(**added)


def errors_by_measure(
    crystals: pd.DataFrame, name: str, measures: Mapping[str, str]
) -> pd.DataFrame:
    """Return the error of a target in groups of about equally many crystals.

    Args:
        crystals: What :func:`with_errors` returned.
        name: The target's name with its unit.
        measures: What to group by: names of measures and their columns.

    Returns:
        One row per group: ``measure``, ``from`` and ``to`` (both inclusive), the
        ``middle`` (median), number of ``crystals``, ``mae``, its ``standard error`` and
        the ``bias`` (mean of predicted less known), in the unit of the target.
    """
    tables = [
        _group(crystals[column], crystals[error_column(name)]).assign(measure=measure)
        for measure, column in measures.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[["measure", "from", "to", "middle", *_COLUMNS]]


def errors_by_element(crystals: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the error of a target over the crystals that hold each element.

    Args:
        crystals: What :func:`with_errors` returned.
        name: The target's name with its unit.

    Returns:
        One row per element, the worst first: ``element``, number of ``crystals``,
        ``mae``, its ``standard error`` and the ``bias``, in the unit of the target.
    """
    parts = crystals.assign(element=crystals["elements"].str.split())
    parts = parts.explode("element").dropna(subset=error_column(name))
    rows = [
        {"element": element, **_summary(part[error_column(name)])}
        for element, part in parts.groupby("element")
    ]
    table = pd.DataFrame(rows, columns=["element", *_COLUMNS])
    return table.sort_values("mae", ascending=False, ignore_index=True)


def _group(measure: pd.Series, error: pd.Series) -> pd.DataFrame:
    usable = measure.notna() & error.notna()
    measure, error = measure[usable], error[usable]
    rows = []
    if len(measure):
        edges = np.quantile(measure, np.linspace(0, 1, BINS + 1))
        inner = np.unique(edges[1:-1])  # many crystals may share a value
        group = np.searchsorted(inner, measure, side="left")
        for number in np.unique(group):
            values = measure[group == number]
            row = {"from": values.min(), "to": values.max()}
            row["middle"] = values.median()
            rows.append(row | _summary(error[group == number]))
    return pd.DataFrame(rows, columns=["from", "to", "middle", *_COLUMNS])


def _summary(error: pd.Series) -> dict[str, float]:
    size = error.abs()
    spread = size.std(ddof=1) / np.sqrt(len(size)) if len(size) > 1 else np.nan
    values = len(error), size.mean(), spread, error.mean()
    return dict(zip(_COLUMNS, values, strict=True))
