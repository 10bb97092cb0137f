"""What the model says about a crystal, and how tables and files show it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd

from pyg_sitenet.data.records import Failure
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.prediction.headings import column_name, with_unit
from pyg_sitenet.prediction.intervals import Uncertainty
from pyg_sitenet.prediction.spread import Spread

IN_MEMORY = "in_memory"
"""Attribute of a table whose ids may be positions of what was given in memory."""
_KINDS = ("std", "min", "max")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one crystal.

    Attributes:
        id: Identifier of the crystal.
        formula: Reduced formula.
        values: Predicted value of each output, in units of the target: of a number
            under the target's name, of classes the probability of each, under a name
            such as ``kind p(metal)``.
        targets: Known values that came with the record, if any; of classes the number.
        origin: Where the crystal was read from.
        warnings: Reasons to trust the values less.
        spread: Of a disordered crystal, whose ``values`` are means over its orderings.
        uncertainty: Of an ensemble, or if intervals were asked for.
        labels: The most probable class of each target of classes.
        novelty: Share of crystals like those of training that are at least as unlike
            them; None if the model cannot tell.
        widening: By how much its interval is wider than that of an ordinary crystal.
    """

    id: str
    formula: str
    values: dict[str, float]
    targets: dict[str, float] = field(default_factory=dict)
    origin: str = ""
    warnings: tuple[str, ...] = ()
    spread: Spread | None = None
    uncertainty: Uncertainty | None = None
    labels: dict[str, str] = field(default_factory=dict)
    novelty: float | None = None
    widening: float = 1.0


def value_columns(description: ModelDescription) -> list[str]:
    """Return the headings of a model's numbers, among them those of probabilities."""
    return [column_name(name, description.units) for name in description.layout.outputs]


def answer_columns(description: ModelDescription) -> list[str]:
    """Return the headings of all answers: with probabilities the class before them."""
    return [
        column_name(name, description.units)
        for target in description.layout.targets
        for name in ([target.name] if target.classes else []) + list(target.outputs)
    ]


def answer_cells(
    prediction: Prediction, description: ModelDescription
) -> list[float | str]:
    """Return what stands under :func:`answer_columns`."""
    cells: list[float | str] = []
    for target in description.layout.targets:
        cells += [prediction.labels[target.name]] if target.classes else []
        cells += [prediction.values[name] for name in target.outputs]
    return cells


def known_cells(
    prediction: Prediction, description: ModelDescription
) -> list[float | str]:
    """Return the known value of each target: NaN, or of classes nothing, if unknown."""
    cells: list[float | str] = []
    for target in description.layout.targets:
        value = prediction.targets.get(target.name, math.nan)
        if not target.classes:
            cells.append(value)
        else:
            cells.append("" if math.isnan(value) else target.classes[int(value)])
    return cells


def uncertainty_columns(
    description: ModelDescription, level: float | None
) -> list[str]:
    """Return the headings of the members' spread, and of intervals or sets."""
    columns: list[str] = []
    for target in description.layout.targets:
        for name in target.outputs:
            kinds = ["members std"] if description.members > 1 else []
            if level is not None and not target.classes:
                kinds += ["lower", "upper"]
            unit = description.units.get(name, "")
            columns += [with_unit(f"{name} {kind}", unit) for kind in kinds]
        if level is not None and target.classes:
            columns.append(f"{target.name} set")
    return columns


def uncertainty_cells(
    prediction: Prediction, description: ModelDescription
) -> list[float | str]:
    """Return what stands under :func:`uncertainty_columns`."""
    uncertainty = prediction.uncertainty
    if uncertainty is None:
        return []
    cells: list[float | str] = []
    for target in description.layout.targets:
        ends = (uncertainty.members_std, uncertainty.lower, uncertainty.upper)
        cells += [end[name] for name in target.outputs for end in ends if name in end]
        if target.name in uncertainty.sets:
            cells.append(" | ".join(uncertainty.sets[target.name]))
    return cells


def novelty_columns(description: ModelDescription) -> list[str]:
    """Return the heading of the novelty, if the model can tell it."""
    return [] if description.novelty is None else ["novelty"]


def spread_columns(description: ModelDescription) -> list[str]:
    """Return the headings that tell how a disordered crystal's orderings differ."""
    return [
        with_unit(f"{name} {kind}", description.units.get(name, ""))
        for name in description.layout.outputs
        for kind in _KINDS
    ] + ["orderings", "misfit"]


def spread_cells(
    prediction: Prediction, description: ModelDescription
) -> list[float | int | None]:
    """Return what stands under :func:`spread_columns`; little for ordered crystals."""
    spread = prediction.spread
    cells: list[float | int | None] = [
        getattr(spread, kind)[name] if spread is not None else None
        for name in description.layout.outputs
        for kind in _KINDS
    ]
    if spread is None:
        return [*cells, 1, None]
    return [*cells, spread.orderings, spread.misfit]


def file_headings(
    description: ModelDescription,
    *,
    with_spread: bool = False,
    level: float | None = None,
) -> list[str]:
    """Return the headings of a file of predictions."""
    more = uncertainty_columns(description, level)
    more += spread_columns(description) if with_spread else []
    more += novelty_columns(description)
    return ["id", "formula", *answer_columns(description), *more, "warnings"]


def file_row(
    prediction: Prediction, description: ModelDescription, *, with_spread: bool = False
) -> list[object]:
    """Return what a file of predictions says under its headings."""
    values: list[object] = [*answer_cells(prediction, description)]
    values += uncertainty_cells(prediction, description)
    if with_spread:
        cells = spread_cells(prediction, description)
        values += ["" if cell is None else cell for cell in cells]
    values += [] if description.novelty is None else [prediction.novelty]
    return [prediction.id, prediction.formula, *values, "; ".join(prediction.warnings)]


def table_in_memory(
    rows: list[dict[str, object]],
    index: pd.Index | None,
    columns: list[str],
) -> pd.DataFrame:
    """Return a table whose ids may be positions of what was given in memory."""
    table = pd.DataFrame(rows, index, columns)
    table.attrs[IN_MEMORY] = True
    return table


def table_headings(
    description: ModelDescription, *, with_spread: bool, level: float | None
) -> list[str]:
    """Return the headings of a table in memory."""
    return [
        "id",
        "formula",
        *answer_columns(description),
        *uncertainty_columns(description, level),
        *novelty_columns(description),
        *(spread_columns(description) if with_spread else []),
    ]


def table_row(
    result: Prediction | Failure, description: ModelDescription
) -> dict[str, object]:
    """Return the row of a table in memory, of failures with the reason alone."""
    if isinstance(result, Failure):
        return {"id": result.id, "formula": "", "reason": result.explanation()}
    values = answer_cells(result, description)
    spread = zip(
        spread_columns(description), spread_cells(result, description), strict=True
    )
    return {
        "id": result.id,
        "formula": result.formula,
        "reason": "",
        **dict(zip(answer_columns(description), values, strict=True)),
        **_uncertainty_row(result, description),
        **({} if result.novelty is None else {"novelty": result.novelty}),
        **dict(spread),
    }


def _uncertainty_row(
    prediction: Prediction, description: ModelDescription
) -> dict[str, float | str]:
    uncertainty = prediction.uncertainty
    if uncertainty is None:
        return {}
    level = (
        0.0 if uncertainty.lower or uncertainty.sets else None
    )  # any: the headings do not name it
    columns = uncertainty_columns(description, level)
    return dict(zip(columns, uncertainty_cells(prediction, description), strict=True))
