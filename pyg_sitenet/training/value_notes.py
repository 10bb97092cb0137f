"""What the values of a target hide, told before the training begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MOSTLY = 0.9  # share of one value from which a target is nearly constant
_FEWEST = 10  # values of which two alone are remarkable
_FAR = 100.0  # times the width of the middle half
_APART = 10.0  # times as far as all others, or they are the tail of these
_FEW = 0.05  # different ones, of all values; more are a second kind of crystal
_STAND_INS = (99.0, 999.0, 9999.0, 99999.0, 999999.0)  # written where nothing is known


def value_notes(name: str, training: Array, everything: Array) -> Iterator[str]:
    """Yield a line for each thing that a user should know of the values of a target.

    Args:
        name: Of the target, which is a number.
        training: Its values of the training part; NaN is not known.
        everything: Its values of all crystals.
    """
    values = training[~np.isnan(training)]
    if len(values) >= 2:
        yield from _constant(name, values)
    yield from _far(name, everything[~np.isnan(everything)])


def _constant(name: str, values: Array) -> Iterator[str]:
    counts = Counter(values.tolist())
    value, count = counts.most_common(1)[0]
    if count == len(values):
        yield (
            f"{name}: is {value:g} for all {count} training crystals, so that there"
            " is nothing to learn about it"
        )
    elif count >= _MOSTLY * len(values):
        yield f"{name}: is {value:g} for {count} of {len(values)} training crystals"
    elif np.ptp(values) <= 1e-6 * np.abs(values).max():
        yield (
            f"{name}: differs only from the seventh digit on,"
            f" {values.min():.12g} to {values.max():.12g}"
        )
    if len(counts) == 2 and len(values) >= _FEWEST:
        low, high = sorted(counts)
        yield (
            f"{name}: is {low:g} or {high:g}, learnt as numbers; if they are classes,"
            f" learn them with data.classes={{{name}: []}}"
        )


def _far(name: str, values: Array) -> Iterator[str]:
    """Tell values that may be slips, or stand for what is not known."""
    far = Counter(values[_are_far(values)].tolist())
    if far:
        shown = ", ".join(f"{value:g}" for value, _ in far.most_common(3))
        crystals = "1 crystal is" if far.total() == 1 else f"{far.total()} crystals are"
        more = ", ..." if len(far) > 3 else ""
        yield (
            f"{name}: {crystals} far from all others ({shown}{more}; the median is"
            f" {np.median(values):g}); leave the cell empty where nothing is known"
        )


def _are_far(values: Array) -> NDArray[np.bool_]:
    """Tell which values are far from all others, [N]."""
    if not len(values):
        return np.zeros(0, dtype=bool)
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    away = np.abs(values - middle)
    far = (high > low) & (away > _FAR * (high - low))
    is_tail = far.any() and away[far].min() < _APART * away[~far].max()
    if is_tail or len({*values[far].tolist()}) > 1 + _FEW * len(values):
        far[:] = False
    for value in {*values[np.isin(np.abs(values), _STAND_INS)].tolist()}:
        others = values[values != value]
        if len(others) and np.abs(others - value).min() > np.ptp(others):
            far |= values == value
    return np.asarray(far)
