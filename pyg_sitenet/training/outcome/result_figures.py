"""Figures of a finished run, and what TensorBoard shows beside the curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.image
import numpy as np
from torch.utils.tensorboard import SummaryWriter

from pyg_sitenet.config import dump_config
from pyg_sitenet.figures import (
    plot_calibration,
    plot_classes,
    plot_learning_curve,
    plot_parity,
)
from pyg_sitenet.training.outcome.outcome import Outcome, baseline_errors
from pyg_sitenet.training.run.run_folder import RunFolder


def draw_figures(
    folder: RunFolder, outcome: Outcome, metrics: Mapping[str, Any]
) -> None:
    """Draw the learning curve, parity, classes, and how often intervals hold."""
    baselines = {
        name: baseline_errors(target) for name, target in metrics["targets"].items()
    }
    if outcome.config.training.class_weights != "none":  # another measure
        baselines |= {name: {} for name in outcome.config.data.classes}
    plot_learning_curve(
        folder.figures / "learning_curve.png",
        outcome.history.epochs,
        outcome.units,
        outcome.targets,
        best_epoch=outcome.history.best_epoch,
        baselines=baselines,
    )
    _draw_answers(folder, outcome)
    _draw_coverage(folder, outcome, metrics)


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


def _draw_coverage(
    folder: RunFolder, outcome: Outcome, metrics: Mapping[str, Any]
) -> None:
    """Draw ``calibration.png``, if there are intervals that were measured."""
    rows = {name: target.get("coverage") for name, target in metrics["targets"].items()}
    panels = {name: coverage for name, coverage in rows.items() if coverage}
    numbers = np.isfinite(outcome.truth("test")).sum(axis=0).tolist()
    counts = dict(zip(outcome.targets, numbers, strict=True))
    if panels:
        words = dict.fromkeys(outcome.config.data.classes, "classes")
        path = folder.figures / "calibration.png"
        plot_calibration(path, panels, counts, {**outcome.units, **words})


def write_tensorboard(
    folder: RunFolder, outcome: Outcome, metrics: Mapping[str, Any]
) -> None:
    """Add a finished run's settings, figures, test scores and best epoch.

    Args:
        folder: The run folder; its figures are drawn.
        outcome: What the model predicts.
        metrics: Its scores.
    """
    step = len(outcome.history.epochs)
    settings = dump_config(outcome.config).replace("\n", "\n    ")
    with SummaryWriter(str(folder.path / "tensorboard")) as writer:
        writer.add_text("settings", f"    {settings}")
        for name, value in _scores(outcome, metrics):
            writer.add_scalar(name, value, step)
        for path in sorted(folder.figures.glob("*.png")):
            image = matplotlib.image.imread(path)
            writer.add_image(f"figures/{path.stem}", image, step, dataformats="HWC")


def _scores(
    outcome: Outcome, metrics: Mapping[str, Any]
) -> Iterator[tuple[str, float]]:
    """Yield the epoch of the kept weights, and each score of the test part."""
    if outcome.history.best_epoch is not None:
        yield "best_epoch", outcome.history.best_epoch
    for target, scores in metrics["targets"].items():
        for name, value in scores["test"].items():
            if isinstance(value, int | float) and math.isfinite(value):
                yield f"test/{name}/{target}", value
