"""One trial: a training that tells Ray its validation error after every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from ray import tune

from pyg_sitenet.config import Config, make_config
from pyg_sitenet.training.loop.checkpoint_files import last_good
from pyg_sitenet.training.loop.meter import MONITOR
from pyg_sitenet.training.run.run_folder import RunFolder
from pyg_sitenet.training.train import train
from pyg_sitenet.tuning.space import apply_draw

SCORE, EPOCH = "score", "epoch"


def run_trial(
    drawn: dict[str, Any],
    *,
    base: dict[str, Any],
    folder: str,
    cache: str,
    accelerator: str,
) -> None:
    """Train with the drawn settings, or go on with a trial that was stopped.

    Args:
        drawn: What Ray has drawn, see :func:`~pyg_sitenet.tuning.space.ray_space`.
        base: All other settings.
        folder: Where trials have their run folders.
        cache: Where featurised data are.
        accelerator: Kind of device.
    """
    torch.set_num_threads(1)  # Ray shares the cores out among trials
    config = apply_draw(make_config(base, origin="search"), drawn)
    run = RunFolder(Path(folder) / tune.get_context().get_trial_id())
    train_trial(config, run, cache, tune.report, accelerator)


def train_trial(
    config: Config,
    run: RunFolder,
    cache: str | Path,
    report: Callable[[dict[str, float]], None],
    accelerator: str = "auto",
) -> None:
    """Train, and report each epoch with the score of the trial so far.

    A trial that goes on reports the epochs it had once more: Ray counts from 1 again,
    and the scheduler of a resumed search knows of none.

    Args:
        config: All settings.
        run: The run folder, with a run to continue if there is one.
        cache: Where featurised data are.
        report: Called with ``score`` and ``epoch``.
        accelerator: Kind of device.
    """
    best = math.inf

    def watch(epoch: Mapping[str, float]) -> None:
        # The best weights are kept, so a trial is as good as its best epoch.
        nonlocal best
        score = epoch[MONITOR]
        best = min(best, score if math.isfinite(score) else math.inf)
        report({SCORE: best, EPOCH: int(epoch["epoch"])})

    resume = run.config.is_file()
    for epoch in _epochs_before(run) if resume else ():
        watch(epoch)
    train(
        config, run.path, resume=resume, cache=cache, watch=watch,
        accelerator=accelerator, tell=False,  # of the data: the search has told
    )  # fmt: skip


def _epochs_before(run: RunFolder) -> list[dict[str, float]]:
    """Return the errors of the epochs that the checkpoint to go on from has seen."""
    checkpoint = last_good(run)
    if checkpoint is None:
        return []
    epochs: list[dict[str, float]] = checkpoint[1]["callbacks"]["History"]["epochs"]
    return epochs
