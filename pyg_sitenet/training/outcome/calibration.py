"""From a finished training to intervals: calibrate, and measure on the test part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    true = {t.name: truth[:, k] for k, t in enumerate(outcome.layout.targets)}
    classes = {
        t.name: answers[:, t.columns] for t in outcome.layout.targets if t.classes
    }
    values = {
        t.name: answers[:, t.start] for t in outcome.layout.targets if not t.classes
    }
    sets = calibrate_classes({name: true[name] for name in classes}, classes)
    spread, floors = _spreads(outcome)
    intervals = calibrate(
        {name: true[name] for name in values},
        values,
        spread,
        floors,
        outcome.novelty.widening.get("calibration"),
    )
    return Calibration(
        scores=intervals.scores | sets.scores,
        floors=intervals.floors | sets.floors,
        edges=intervals.edges,
    )


def _spreads(
    outcome: Outcome,
) -> tuple[Columns, dict[str, float]] | tuple[None, None]:
    """Return the spread of an ensemble on the calibration part, and its floors."""
    if outcome.spread is None:
        return None, None
    other = outcome.spread["val" if outcome.crystals["val"] else "train"]
    starts = {target.name: target.start for target in outcome.layout.targets}
    own, members = outcome.spread["calibration"], outcome.config.training.members
    return (
        {name: own[:, k] for name, k in starts.items()},
        {name: spread_floor(other[:, k], members) for name, k in starts.items()},
    )


def coverage_on_test(outcome: Outcome, calibration: Calibration) -> dict[str, Any]:
    """Return, for each target, what the intervals or sets do on the test part."""
    truth, answers = outcome.truth("test"), outcome.predicted["test"]
    spread = None if outcome.spread is None else outcome.spread["test"]
    ranges = target_ranges(outcome)
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
            ranges.get(target.name),
        )
        for t, target in enumerate(outcome.layout.targets)
    }


def target_ranges(outcome: Outcome) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest training value of each number that has one."""
    y = outcome.truth("train")
    values_of = {
        target.name: y[~np.isnan(y[:, t]), t]
        for t, target in enumerate(outcome.layout.targets)
        if not target.classes
    }
    return {
        name: (float(values.min()), float(values.max()))
        for name, values in values_of.items()
        if len(values)
    }
