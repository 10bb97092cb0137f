"""What a run leaves in the end: model file, predictions, figures, metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyg_sitenet.csv_file import write_table
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.domain import measure_domain
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.nn.output_layout import TargetOutputs
from pyg_sitenet.prediction import column_name
from pyg_sitenet.training.loop.meter import MONITOR
from pyg_sitenet.training.members import describe_members
from pyg_sitenet.training.outcome.calibration import (
    calibrate_outcome,
    coverage_on_test,
    target_ranges,
)
from pyg_sitenet.training.outcome.outcome import Outcome, summarise
from pyg_sitenet.training.outcome.result_figures import draw_figures, write_tensorboard
from pyg_sitenet.training.run.metrics_file import write_metrics
from pyg_sitenet.training.run.record import read_notes
from pyg_sitenet.training.run.run_folder import RunFolder, reporting_write_errors
from pyg_sitenet.uncertainty import Calibration
from pyg_sitenet.version import library_versions

Array = NDArray[np.float64]


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

    Raises:
        SiteNetError: If the folder cannot be written.
    """
    metrics = summarise(outcome)
    metrics["data_notes"] = read_notes(folder)
    calibration = calibrate_outcome(outcome)
    if calibration is not None:
        for target, rows in coverage_on_test(outcome, calibration).items():
            metrics["targets"][target]["coverage"] = rows
    if isinstance(model, SiteNetEnsemble):
        metrics["members"] = describe_members(folder, outcome.config)
    description = describe(outcome, metrics, calibration)
    table = prediction_table(outcome)
    with reporting_write_errors(folder):
        save_model(folder.model, model, description)
        write_table(folder.predictions, table)
        draw_figures(folder, outcome, metrics)
        write_tensorboard(folder, outcome, metrics)
    metrics |= {"inputs": ledger.counts(), "history": outcome.history.epochs}
    metrics["notes"] += _kept_note(metrics)
    metrics["seconds"] = time.perf_counter() - start
    return write_metrics(folder, metrics)


def describe(
    outcome: Outcome,
    metrics: Mapping[str, Any],
    calibration: Calibration | None = None,
) -> ModelDescription:
    """Return what the model file says about the model."""
    targets = outcome.targets
    elements = {z for data in outcome.crystals["train"] for z in data.z.tolist()}
    return ModelDescription(
        config=outcome.config,
        targets=targets,
        units={name: outcome.units[name] for name in targets if name in outcome.units},
        elements=tuple(sorted(elements)),
        target_ranges=target_ranges(outcome),
        domain=measure_domain(outcome.crystals["train"]),
        versions=library_versions(),
        metrics=dict(metrics),
        members=outcome.config.training.members,
        calibration=calibration,
        novelty=outcome.novelty.record,
    )


def prediction_table(outcome: Outcome) -> pd.DataFrame:
    """Return ``predictions.csv``: id, formula, known and predicted values."""
    crystals, truth = outcome.crystals["test"], outcome.truth("test")
    names = [(data.id, data.formula) for data in crystals]
    table: dict[str, Any] = {
        "id": [id_ for id_, _ in names],
        "formula": [formula for _, formula in names],
    }
    answers = outcome.predicted["test"]
    for t, target in enumerate(outcome.layout.targets):
        name = column_name(target.name, outcome.units)
        table[name] = truth[:, t]
        if target.classes:
            table[name] = labels_of(truth[:, t], target)
            rows = answers[:, target.columns].tolist()
            table[f"predicted {name}"] = [target.label(row) for row in rows]
        for k, output in enumerate(target.outputs, target.start):
            heading = column_name(output, outcome.units)
            table[f"predicted {heading}"] = answers[:, k]
            if outcome.spread is not None:
                table[f"spread {heading}"] = outcome.spread["test"][:, k]
    return pd.DataFrame(table)


def _kept_note(metrics: Mapping[str, Any]) -> list[str]:
    """Say why the weights are not those of the lowest validation error, if so."""
    scores = {
        epoch["epoch"]: epoch[MONITOR]
        for epoch in metrics["history"]
        if MONITOR in epoch
    }
    errors = {epoch: score for epoch, score in scores.items() if math.isfinite(score)}
    chosen = metrics["best_epoch"]
    if scores and not errors:
        return [
            "no validation error was finite: the weights are those of the last epoch"
        ]
    if errors and chosen is not None and errors.get(chosen) != min(errors.values()):
        best = min(errors, key=lambda epoch: errors[epoch])
        return [
            "the weights are those of the last epoch: those of epoch "
            f"{best:g}, which had the lowest validation error, were lost with best.ckpt"
        ]
    return []


def labels_of(truth: Array, target: TargetOutputs) -> list[str]:
    """Return the labels of classes given by number, empty where unknown."""
    return ["" if math.isnan(k) else target.classes[int(k)] for k in truth]
