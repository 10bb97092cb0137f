"""Target values as they stand in tables and frames: numbers, or places of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from pyg_sitenet.config.labels import as_label

# Squares of targets must stay within single precision.
MAX_TARGET = 1e18


class TargetError(Exception):
    """A target that is no finite number or known label; never leaves the readers."""


def parse_targets(
    values: Mapping[str, Any],
    targets: Sequence[str],
    classes: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> dict[str, float]:
    """Return the targets of a crystal, NaN for one that is not known.

    Args:
        values: What its row or frame holds.
        targets: The names of the targets.
        classes: Labels of those that are classes; their value is the label's place.

    Raises:
        TargetError: If a number is text, infinite or too large, if a label is none of
            the classes, or if no target is known.
    """
    stated = [name for name in targets if not is_gap(values.get(name))]
    if targets and not stated:
        raise TargetError(_explain_gaps(values, targets))
    numbers = dict.fromkeys(targets, math.nan)
    for name in stated:
        value = values[name]
        numbers[name] = (
            _place(name, value, classes[name])
            if name in classes
            else _parse(name, value)
        )
    return numbers


def is_number(value: object) -> bool:
    """Tell whether a value can be read as a number, finite or not."""
    if isinstance(value, bool | np.bool_) or value is None:
        return False
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def is_label(value: object) -> bool:
    """Tell whether a value is text or a boolean, and so may name a class."""
    return isinstance(value, bool | np.bool_) or (
        isinstance(value, str) and bool(value.strip())
    )


def is_gap(value: object) -> bool:
    """Tell whether a cell is empty or NaN, which is how tables write "not known"."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    return is_number(value) and math.isnan(float(value))  # type: ignore[arg-type]


def _explain_gaps(values: Mapping[str, Any], targets: Sequence[str]) -> str:
    if len(targets) > 1:
        return f"none of the targets {', '.join(map(repr, targets))} is known"
    value = values.get(targets[0])
    if is_number(value):
        return f"the target {targets[0]!r} is not finite: {value!s:.60}"
    return f"the target {targets[0]!r} is missing"


def _place(name: str, value: object, labels: Sequence[str]) -> float:
    label = as_label(value)
    if label not in labels:
        shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise TargetError(
            f"the label {label!r:.60} of {name!r} is none of its classes ({shown})"
        )
    return float(labels.index(label))


def _parse(name: str, value: object) -> float:
    if not is_number(value):
        raise TargetError(f"the target {name!r} is not a number: {value!r:.60}")
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise TargetError(f"the target {name!r} is not finite: {value!s:.60}")
    if abs(number) > MAX_TARGET:
        raise TargetError(f"the target {name!r} is too large: {value!s:.60}")
    return number
