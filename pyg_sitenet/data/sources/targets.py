"""Target values as they stand in tables and frames, as finite numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# Squares of targets must stay within single precision.
MAX_TARGET = 1e18


class TargetError(Exception):
    """A target that is no finite number; never leaves the readers."""


def parse_targets(
    values: Mapping[str, Any], targets: Sequence[str]
) -> dict[str, float]:
    """Return the targets of a crystal, NaN for one that is not known.

    Args:
        values: What its row or frame holds.
        targets: The names of the targets.

    Raises:
        TargetError: If one is text, infinite or too large, or if none is known.
    """
    known = [name for name in targets if not _is_gap(values.get(name))]
    if targets and not known:
        raise TargetError(_explain_gaps(values, targets))
    return {
        name: _parse(name, values[name]) if name in known else math.nan
        for name in targets
    }


def is_number(value: object) -> bool:
    """Tell whether a value can be read as a number, finite or not."""
    if isinstance(value, bool) or value is None:
        return False
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _is_gap(value: object) -> bool:
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


def _parse(name: str, value: object) -> float:
    if not is_number(value):
        raise TargetError(f"the target {name!r} is not a number: {value!r:.60}")
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise TargetError(f"the target {name!r} is not finite: {value!s:.60}")
    if abs(number) > MAX_TARGET:
        raise TargetError(f"the target {name!r} is too large: {value!s:.60}")
    return number
