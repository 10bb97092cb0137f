"""Do intervals hold what they promise? Measured against known values."""

from __future__ import annotations

from itertools import compress
from math import inf
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.uncertainty.calibration import Calibration
from pyg_sitenet.uncertainty.conformal import prediction_set

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


class Coverage(TypedDict):
    """What the intervals of one level do: nominal and measured share, mean width.

    Of classes the width is the number of classes in the set.
    """

    level: float
    coverage: float
    mean_width: float


def measure_coverage(
    calibration: Calibration,
    target: str,
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    spread: NDArray[np.float64] | None = None,
    widening: NDArray[np.float64] | None = None,
    values: tuple[float, float] | None = None,
) -> list[Coverage]:
    """Measure the intervals of a target at all levels that the calibration allows.

    Args:
        calibration: Of the model; a target that it lacks gives an empty list.
        target: Which property.
        truth: Known values ``[N]``; crystals without a value (NaN) do not count.
        predicted: Predictions for the same crystals, ``[N]``.
        spread: Standard deviation of the members of an ensemble, ``[N]``.
        widening: Above 1 of crystals that are unlike those of training, ``[N]``.
        values: See :meth:`Calibration.half_widths`.

    Returns:
        For each level the share of crystals inside, and the mean width of the
        intervals in units of the target (their sharpness).
    """
    labelled = np.isfinite(truth)
    error, answers = np.abs(truth - predicted)[labelled], predicted[labelled]
    sigma = np.zeros(len(error)) if spread is None else spread[labelled]
    wider = np.ones(len(error)) if widening is None else widening[labelled]
    rows: list[Coverage] = []
    for level in _levels(calibration, target, labelled):
        widths = calibration.half_widths(target, level, values)
        crystals = zip(answers.tolist(), sigma.tolist(), wider.tolist(), strict=True)
        half = [widths.of(*crystal) for crystal in crystals]
        rows.append(_row(level, error <= half, 2 * np.array(half)))
    return rows


def measure_sets(
    calibration: Calibration,
    target: str,
    truth: NDArray[np.float64],
    probabilities: NDArray[np.float64],
) -> list[Coverage]:
    """Measure the sets of classes at all levels that the calibration allows.

    Args:
        calibration: Of the model; a target that it lacks gives an empty list.
        target: Which property.
        truth: Number of the true class ``[N]``; NaN does not count.
        probabilities: Of each class, ``[N, K]``.
    """
    labelled = np.isfinite(truth)
    classes, index = truth[labelled].astype(np.int64), np.arange(labelled.sum())
    rows: list[Coverage] = []
    for level in _levels(calibration, target, labelled):
        bound = calibration.half_widths(target, level).of(0.0)
        inside = prediction_set(probabilities[labelled], bound)
        rows.append(_row(level, inside[index, classes], inside.sum(axis=1)))
    return rows


def _levels(
    calibration: Calibration, target: str, labelled: NDArray[np.bool_]
) -> list[float]:
    """Return the levels that can be measured: none without a known value."""
    bounds = [max(calibration.bounds(target, level), default=inf) for level in LEVELS]
    return list(compress(LEVELS, np.isfinite(bounds))) if labelled.any() else []


def _row(level: float, is_inside: NDArray[Any], widths: NDArray[Any]) -> Coverage:
    coverage, width = float(is_inside.mean()), float(np.mean(widths))
    return {"level": level, "coverage": coverage, "mean_width": width}
