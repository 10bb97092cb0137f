"""What the model says about a crystal, and how tables and files show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyg_sitenet.data.records import Failure
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.prediction.intervals import Uncertainty
from pyg_sitenet.prediction.spread import Spread

_KINDS = ("std", "min", "max")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one crystal.

    Attributes:
        id: Identifier of the crystal.
        formula: Reduced formula.
        values: Predicted value of each target, in units of the target.
        targets: Known values that came with the record, if any.
        origin: Where the crystal was read from.
        warnings: Reasons to trust the values less.
        spread: Of a disordered crystal, whose ``values`` are means over its orderings.
        uncertainty: Of an ensemble, or if intervals were asked for.
    """

    id: str
    formula: str
    values: dict[str, float]
    targets: dict[str, float] = field(default_factory=dict)
    origin: str = ""
    warnings: tuple[str, ...] = ()
    spread: Spread | None = None
    uncertainty: Uncertainty | None = None


def column_name(target: str, units: Mapping[str, str]) -> str:
    """Return the table heading of a target: its name, and its unit in brackets."""
    return _with_unit(target, units.get(target, ""))


def _with_unit(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name


def value_columns(description: ModelDescription) -> list[str]:
    """Return the headings of a model's values, in the order of its targets."""
    return [column_name(name, description.units) for name in description.targets]


def uncertainty_columns(
    description: ModelDescription, level: float | None
) -> list[str]:
    """Return the headings of the members' spread and of the interval's ends."""
    kinds = ["members std"] if description.members > 1 else []
    kinds += ["lower", "upper"] if level is not None else []
    return [
        _with_unit(f"{name} {kind}", description.units.get(name, ""))
        for name in description.targets
        for kind in kinds
    ]


def uncertainty_cells(
    prediction: Prediction, description: ModelDescription
) -> list[float]:
    """Return what stands under :func:`uncertainty_columns`."""
    found = prediction.uncertainty
    if found is None:
        return []
    ends = (found.members_std, found.lower, found.upper)
    return [one[name] for name in description.targets for one in ends if one]


def spread_columns(description: ModelDescription) -> list[str]:
    """Return the headings that tell how a disordered crystal's orderings differ."""
    return [
        _with_unit(f"{name} {kind}", description.units.get(name, ""))
        for name in description.targets
        for kind in _KINDS
    ] + ["orderings", "misfit"]


def spread_cells(
    prediction: Prediction, description: ModelDescription
) -> list[float | int | None]:
    """Return what stands under :func:`spread_columns`; little for ordered crystals."""
    spread = prediction.spread
    cells: list[float | int | None] = [
        getattr(spread, kind)[name] if spread is not None else None
        for name in description.targets
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
    return ["id", "formula", *value_columns(description), *more, "warnings"]


def file_row(
    prediction: Prediction, description: ModelDescription, *, with_spread: bool = False
) -> list[object]:
    """Return what a file of predictions says under its headings."""
    values: list[object] = [prediction.values[name] for name in description.targets]
    values += uncertainty_cells(prediction, description)
    if with_spread:
        cells = spread_cells(prediction, description)
        values += ["" if cell is None else cell for cell in cells]
    return [prediction.id, prediction.formula, *values, "; ".join(prediction.warnings)]


def table_row(
    result: Prediction | Failure, description: ModelDescription
) -> dict[str, object]:
    """Return the row of a table in memory, of failures with the reason alone."""
    if isinstance(result, Failure):
        reason = f"{result.reason}; {result.remedy}".removesuffix("; ")
        return {"id": result.id, "formula": "", "reason": reason}
    values = [result.values[name] for name in description.targets]
    spread = zip(
        spread_columns(description), spread_cells(result, description), strict=True
    )
    return {
        "id": result.id,
        "formula": result.formula,
        "reason": "",
        **dict(zip(value_columns(description), values, strict=True)),
        **_uncertainty_row(result, description),
        **dict(spread),
    }


def _uncertainty_row(
    prediction: Prediction, description: ModelDescription
) -> dict[str, float]:
    found = prediction.uncertainty
    if found is None:
        return {}
    level = 0.0 if found.lower else None  # any: the headings do not name it
    columns = uncertainty_columns(description, level)
    return dict(zip(columns, uncertainty_cells(prediction, description), strict=True))
