"""From a finished training to intervals: calibrate, measure on the test part, draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.training.report import Outcome
from pyg_sitenet.training.run_folder import RunFolder
from pyg_sitenet.uncertainty import Calibration, calibrate, measure_coverage
from pyg_sitenet.uncertainty.conformal import spread_floor
from pyg_sitenet.uncertainty.figure import plot_calibration

Columns = dict[str, NDArray[np.float64]]


def calibrate_outcome(outcome: Outcome) -> Calibration | None:
    """Calibrate on the calibration part; without one there is nothing to say.

    The floor of an ensemble's spread comes from the validation part (without one, from
    the training part): the calibration crystals may decide nothing but the scores.
    """
    if not outcome.crystals["calibration"]:
        return None
    truth = _columns(outcome, outcome.truth("calibration"))
    predicted = _columns(outcome, outcome.predicted["calibration"])
    if outcome.spread is None:
        return calibrate(truth, predicted)
    other = "val" if outcome.crystals["val"] else "train"
    floors = {
        target: spread_floor(spread)
        for target, spread in _columns(outcome, outcome.spread[other]).items()
    }
    spread = _columns(outcome, outcome.spread["calibration"])
    return calibrate(truth, predicted, spread, floors)


def coverage_on_test(outcome: Outcome, calibration: Calibration) -> dict[str, Any]:
    """Return, for each target, what the intervals do on the test part."""
    truth, predicted = outcome.truth("test"), outcome.predicted["test"]
    spread = None if outcome.spread is None else outcome.spread["test"]
    return {
        target: measure_coverage(
            calibration,
            target,
            truth[:, t],
            predicted[:, t],
            None if spread is None else spread[:, t],
        )
        for t, target in enumerate(outcome.targets)
    }


def draw_calibration(
    folder: RunFolder, outcome: Outcome, coverage: dict[str, Any]
) -> None:
    """Draw ``calibration.png`` from what :func:`coverage_on_test` found."""
    found = {target: rows for target, rows in coverage.items() if rows}
    known = np.isfinite(outcome.truth("test")).sum(axis=0).tolist()
    counts = dict(zip(outcome.targets, known, strict=True))
    if found:
        path = folder.figures / "calibration.png"
        plot_calibration(path, found, counts, outcome.units)


def _columns(outcome: Outcome, values: NDArray[np.float64]) -> Columns:
    return {target: values[:, t] for t, target in enumerate(outcome.targets)}
