"""What is written when training is over: model file, errors, predictions, figures."""

from __future__ import annotations

import time
from typing import Any

from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.model_file import save_model
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.training.members import describe_members
from pyg_sitenet.training.outcome.calibration import (
    calibrate_outcome,
    coverage_on_test,
    draw_calibration,
)
from pyg_sitenet.training.outcome.outcome import Outcome, summarise
from pyg_sitenet.training.outcome.results import (
    describe,
    draw_figures,
    write_metrics,
    write_predictions,
)
from pyg_sitenet.training.outcome.tensorboard import write_tensorboard
from pyg_sitenet.training.run.run_folder import (
    RunFolder,
    read_notes,
    reporting_write_errors,
)


def finish(
    folder: RunFolder,
    model: SiteNet | SiteNetEnsemble,
    outcome: Outcome,
    start: float,
    ledger: Ledger,
) -> dict[str, Any]:
    """Write all that a trained model leaves and return its metrics.

    Args:
        folder: Where to.
        model: With the kept weights.
        outcome: What it predicts for each part.
        start: When the run began, by ``time.perf_counter``.
        ledger: What became of the inputs.
    """
    metrics = summarise(outcome)
    metrics["data_notes"] = read_notes(folder)
    calibration = calibrate_outcome(outcome)
    if calibration is not None:
        coverage = coverage_on_test(outcome, calibration)
        for target, rows in coverage.items():
            metrics["targets"][target]["coverage"] = rows
        draw_calibration(folder, outcome, coverage)
    if isinstance(model, SiteNetEnsemble):
        metrics["members"] = describe_members(folder, outcome.config)
    with reporting_write_errors(folder):
        save_model(folder.model, model, describe(outcome, metrics, calibration))
    write_predictions(folder, outcome)
    draw_figures(folder, outcome, metrics)
    write_tensorboard(folder, outcome, metrics)
    metrics |= {"inputs": ledger.counts(), "history": outcome.history.epochs}
    metrics["seconds"] = time.perf_counter() - start
    return write_metrics(folder, metrics)
