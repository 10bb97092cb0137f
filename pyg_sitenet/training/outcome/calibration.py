"""From a finished training to intervals: calibrate, and measure on the test part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.nn.output_layout import TargetOutputs
from pyg_sitenet.training.outcome.outcome import Outcome
from pyg_sitenet.uncertainty import (
    Calibration,
    calibrate,
    measure_coverage,
    measure_sets,
)
from pyg_sitenet.uncertainty.conformal import calibrate_classes, spread_floor

Columns = dict[str, NDArray[np.float64]]


def calibrate_outcome(outcome: Outcome) -> Calibration | None:
    """Calibrate on the calibration part; without one there is nothing to say.

    The floor of an ensemble's spread comes from the validation part (without one, from
    the training part): the calibration crystals may decide nothing but the scores.
    """
    if not outcome.crystals["calibration"]:
        return None
    truth, answers = outcome.truth("calibration"), outcome.predicted["calibration"]
    scores: dict[str, tuple[float, ...]] = {}
    floors: dict[str, float] = {}
    for t, target in enumerate(outcome.layout.targets):
        values, outputs = truth[:, t], answers[:, target.columns]
        if not target.classes:
            spread, floor = _spread(outcome, target)
            intervals = calibrate(
                {target.name: values},
                {target.name: outputs[:, 0]},
                spread,
                floor,
                outcome.novelty.widening.get("calibration"),
            )
        else:
            intervals = calibrate_classes({target.name: values}, {target.name: outputs})
        scores |= intervals.scores
        floors |= intervals.floors
    return Calibration(scores=scores, floors=floors)


def _spread(
    outcome: Outcome, target: TargetOutputs
) -> tuple[Columns, dict[str, float]] | tuple[None, None]:
    """Return the spread of an ensemble on the calibration part, and its floor."""
    if outcome.spread is None:
        return None, None
    other = "val" if outcome.crystals["val"] else "train"
    name, k = target.name, target.start
    floor = spread_floor(outcome.spread[other][:, k])
    return {name: outcome.spread["calibration"][:, k]}, {name: floor}


def coverage_on_test(outcome: Outcome, calibration: Calibration) -> dict[str, Any]:
    """Return, for each target, what the intervals or sets do on the test part."""
    truth, answers = outcome.truth("test"), outcome.predicted["test"]
    spread = None if outcome.spread is None else outcome.spread["test"]
    return {
        target.name: measure_sets(
            calibration, target.name, truth[:, t], answers[:, target.columns]
        )
        if target.classes
        else measure_coverage(
            calibration,
            target.name,
            truth[:, t],
            answers[:, target.start],
            None if spread is None else spread[:, target.start],
            outcome.novelty.widening.get("test"),
        )
        for t, target in enumerate(outcome.layout.targets)
    }
