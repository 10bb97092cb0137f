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
    """Return the targets of a crystal.

    Args:
        values: What its row or frame holds.
        targets: The names of the targets.

    Raises:
        TargetError: If one is missing, text, not finite or too large.
    """
    return {name: _parse(name, values.get(name)) for name in targets}


def is_number(value: object) -> bool:
    """Tell whether a value can be read as a number, finite or not."""
    if isinstance(value, bool) or value is None:
        return False
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _parse(name: str, value: object) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise TargetError(f"the target {name!r} is missing")
    if not is_number(value):
        raise TargetError(f"the target {name!r} is not a number: {value!r:.60}")
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise TargetError(f"the target {name!r} is not finite: {value!s:.60}")
    if abs(number) > MAX_TARGET:
        raise TargetError(f"the target {name!r} is too large: {value!s:.60}")
    return number
