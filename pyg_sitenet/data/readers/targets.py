"""Target values as they stand in tables and frames: numbers, or indices of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pyg_sitenet.config.labels import as_label
from pyg_sitenet.data.readers.cells import is_gap, number_of, separated

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
        classes: Labels of those that are classes; their value is the label's index.

    Raises:
        TargetError: If a number is text, infinite or too large, if a label is none of
            the classes, or if no target is known.
    """
    stated = [name for name in targets if is_stated(values.get(name), name, classes)]
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


def place_of(label: str, labels: Sequence[str]) -> int | None:
    """Return the index of a label among the classes, None if it is none of them.

    Small and capital letters are alike where no two classes differ in them alone.
    """
    if label in labels:
        return labels.index(label)
    places = [k for k, other in enumerate(labels) if other.lower() == label.lower()]
    return places[0] if len(places) == 1 else None


def is_stated(value: object, name: str, classes: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a cell holds a value; who lists ``none`` as a class means it.

    ``NA`` is no sodium, though capitals are alike elsewhere.
    """
    if not is_gap(value):
        return True
    labels = classes.get(name, ())
    place = place_of(as_label(value), labels) if isinstance(value, str) else None
    return place is not None and is_gap(labels[place])


def _explain_gaps(values: Mapping[str, Any], targets: Sequence[str]) -> str:
    if len(targets) > 1:
        return f"none of the targets {', '.join(map(repr, targets))} is known"
    value = values.get(targets[0])
    text = "" if value is None else str(value).strip()
    how = "not finite" if "nan" in text.lower() else "missing"
    return f"the target {targets[0]!r} is {how}" + (f": {text}" if text else "")


def _place(name: str, value: object, labels: Sequence[str]) -> float:
    label = as_label(value)
    place = place_of(label, labels)
    if place is None:
        shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise TargetError(
            f"the label {label!r:.60} of {name!r} is none of its classes ({shown})"
        )
    return float(place)


def _parse(name: str, value: object) -> float:
    number = number_of(value)
    if number is None:
        hint = ""
        if isinstance(value, str) and separated(value):
            hint = "; write all numbers of the column like 1234.5"
        raise TargetError(f"the target {name!r} is not a number: {value!r:.60}{hint}")
    if not math.isfinite(number):
        raise TargetError(f"the target {name!r} is not finite: {value!s:.60}")
    if abs(number) > MAX_TARGET:
        raise TargetError(f"the target {name!r} is too large: {value!s:.60}")
    return number
