"""One trial: a training that tells Ray its validation error after every epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ray import tune

from pyg_sitenet.config import make_config
from pyg_sitenet.training.meter import MONITOR
from pyg_sitenet.training.train import train
from pyg_sitenet.tuning.space import apply_draw

SCORE = "score"


def run_trial(
    drawn: dict[str, Any], *, base: dict[str, Any], folder: str, cache: str
) -> None:
    """Train with the drawn settings, or go on with a trial that was stopped.

    Args:
        drawn: What Ray has drawn, see :func:`~pyg_sitenet.tuning.space.ray_space`.
        base: All other settings.
        folder: Where trials have their run folders.
        cache: Where featurised data are.
    """
    torch.set_num_threads(1)  # Ray shares the cores out among trials
    config = apply_draw(make_config(base, origin="search"), drawn)
    run = Path(folder) / tune.get_context().get_trial_id()
    best = math.inf

    def report(epoch: Mapping[str, float]) -> None:
        # The best weights are kept, so a trial is as good as its best epoch.
        nonlocal best
        score = epoch[MONITOR]
        best = min(best, score if math.isfinite(score) else math.inf)
        tune.report({SCORE: best, "epoch": int(epoch["epoch"])})

    resume = (run / "config.yaml").is_file()
    train(config, run, resume=resume, cache=cache, watch=report)
