"""What the model says about a crystal, and how tables and files show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyg_sitenet.data.records import Failure
from pyg_sitenet.model_file import ModelDescription


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
    """

    id: str
    formula: str
    values: dict[str, float]
    targets: dict[str, float] = field(default_factory=dict)
    origin: str = ""
    warnings: tuple[str, ...] = ()


def column_name(target: str, units: Mapping[str, str]) -> str:
    """Return the table heading of a target: its name, and its unit in brackets."""
    unit = units.get(target, "")
    return f"{target} [{unit}]" if unit else target


def value_columns(description: ModelDescription) -> list[str]:
    """Return the headings of a model's values, in the order of its targets."""
    return [column_name(name, description.units) for name in description.targets]


def file_headings(description: ModelDescription) -> list[str]:
    """Return the headings of a file of predictions."""
    return ["id", "formula", *value_columns(description), "warnings"]


def file_row(prediction: Prediction, description: ModelDescription) -> list[object]:
    """Return what a file of predictions says under its headings."""
    values = [prediction.values[name] for name in description.targets]
    return [prediction.id, prediction.formula, *values, "; ".join(prediction.warnings)]


def table_row(
    result: Prediction | Failure, description: ModelDescription
) -> dict[str, object]:
    """Return the row of a table in memory, of failures with the reason alone."""
    if isinstance(result, Failure):
        reason = f"{result.reason}; {result.remedy}".removesuffix("; ")
        return {"id": result.id, "formula": "", "reason": reason}
    values = [result.values[name] for name in description.targets]
    return {
        "id": result.id,
        "formula": result.formula,
        "reason": "",
        **dict(zip(value_columns(description), values, strict=True)),
    }
