"""What a run leaves for people: metrics, predictions, figures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.csv_file import write_table
from pyg_sitenet.domain import measure_domain
from pyg_sitenet.figures import plot_classes, plot_learning_curve, plot_parity
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs
from pyg_sitenet.prediction import column_name
from pyg_sitenet.training.loop.meter import MONITOR
from pyg_sitenet.training.outcome.outcome import Outcome, baseline_errors
from pyg_sitenet.training.run.run_folder import RunFolder, reporting_write_errors
from pyg_sitenet.uncertainty import Calibration
from pyg_sitenet.version import library_versions

Array = NDArray[np.float64]


def describe(
    outcome: Outcome,
    metrics: Mapping[str, Any],
    calibration: Calibration | None = None,
) -> ModelDescription:
    """Return what the model file says about the model."""
    targets, y = outcome.targets, outcome.truth("train")
    elements = {z for data in outcome.crystals["train"] for z in data.z.tolist()}
    return ModelDescription(
        config=outcome.config,
        targets=targets,
        units={name: outcome.units[name] for name in targets if name in outcome.units},
        elements=tuple(sorted(elements)),
        target_ranges=_ranges(outcome.layout, y),
        domain=measure_domain(outcome.crystals["train"]),
        versions=library_versions(),
        metrics=dict(metrics),
        members=outcome.config.training.members,
        calibration=calibration,
        novelty=outcome.novelty.record,
    )


def _ranges(layout: OutputLayout, y: Array) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest known value of each number that has one."""
    values_of = {
        target.name: y[~np.isnan(y[:, t]), t]
        for t, target in enumerate(layout.targets)
        if not target.classes
    }
    return {
        name: (float(values.min()), float(values.max()))
        for name, values in values_of.items()
        if len(values)
    }


def write_predictions(folder: RunFolder, outcome: Outcome) -> None:
    """Write ``predictions.csv``: id, formula, known and predicted values."""
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
    write_table(folder.predictions, pd.DataFrame(table))


def write_metrics(folder: RunFolder, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``metrics.json``, which says by being there that the run is finished.

    Numbers that are not finite become null, which ``notes`` then tell.

    Raises:
        SiteNetError: If it cannot be written.
    """
    lost: dict[str, None] = {}  # in order, each once
    finite = {key: _finite(value, key, lost) for key, value in metrics.items()}
    finite["notes"] = [*metrics["notes"], *_kept_note(finite)]
    if lost:
        finite["notes"].append(f"null where it was not finite: {', '.join(lost)}")
    text = json.dumps(finite, indent=2, allow_nan=False)
    with reporting_write_errors(folder):
        write_text(folder.metrics, text + "\n")
    return finite


def _finite(value: Any, name: str, lost: dict[str, None]) -> Any:  # noqa: ANN401 - JSON
    """Replace numbers that are not finite by ``None`` and collect their names."""
    if isinstance(value, Mapping):
        return {k: _finite(v, f"{name} {k}", lost) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, name, lost) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        lost[name] = None
        return None
    return value


def _kept_note(metrics: Mapping[str, Any]) -> list[str]:
    """Say why the weights are not those of the lowest validation error, if so."""
    scores = {
        epoch["epoch"]: epoch[MONITOR]
        for epoch in metrics["history"]
        if MONITOR in epoch
    }
    errors = {epoch: error for epoch, error in scores.items() if error is not None}
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


def draw_figures(
    folder: RunFolder, outcome: Outcome, metrics: Mapping[str, Any]
) -> None:
    """Draw the learning curve, parity of numbers, and how classes are told apart."""
    baselines = {
        name: baseline_errors(target) for name, target in metrics["targets"].items()
    }
    if outcome.config.training.class_weights != "none":  # another measure
        baselines |= {name: {} for name in outcome.config.data.classes}
    with reporting_write_errors(folder):
        plot_learning_curve(
            folder.figures / "learning_curve.png",
            outcome.history.epochs,
            outcome.units,
            outcome.targets,
            best_epoch=outcome.history.best_epoch,
            baselines=baselines,
        )
        _draw_answers(folder, outcome)


def _draw_answers(folder: RunFolder, outcome: Outcome) -> None:
    truth, answers = outcome.truth("test"), outcome.predicted["test"]
    layout = outcome.layout
    numbers = [t for t, target in enumerate(layout.targets) if not target.classes]
    if numbers:
        values = answers[:, [layout.targets[t].start for t in numbers]]
        has_place = np.isfinite(values)  # in the figure
        plot_parity(
            folder.figures / "parity.png",
            np.where(has_place, truth[:, numbers], np.nan),
            values,
            outcome.units,
            [outcome.targets[t] for t in numbers],
        )
    plot_classes(folder.figures / "classes.png", truth, answers, layout)


def labels_of(truth: Array, target: TargetOutputs) -> list[str]:
    """Return the labels of classes given by number, empty where unknown."""
    return ["" if math.isnan(k) else target.classes[int(k)] for k in truth]
