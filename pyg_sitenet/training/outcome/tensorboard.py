"""What TensorBoard shows beside the curves: settings, scores, figures, best epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.image
from torch.utils.tensorboard import SummaryWriter

from pyg_sitenet.config import dump_config
from pyg_sitenet.training.outcome.outcome import Outcome
from pyg_sitenet.training.run.run_folder import RunFolder, reporting_write_errors


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
    with (
        reporting_write_errors(folder),
        SummaryWriter(str(folder.path / "tensorboard")) as writer,
    ):
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
