"""The learning rate as a factor of its highest value, step by step."""

from __future__ import annotations

import math

from pyg_sitenet.config import TrainingConfig

# As in Smith and Topin (2019): rise for three tenths, then fall to almost nothing.
_RISE = 0.3
_START = 1 / 25
_FEWEST_EPOCHS = 20


def with_epochs(config: TrainingConfig, num_batches: int) -> TrainingConfig:
    """Settle the number of epochs by ``max_steps`` and the batches of an epoch."""
    if config.max_steps is None:
        return config
    epochs = max(_FEWEST_EPOCHS, round(config.max_steps / max(1, num_batches)))
    return config.model_copy(update={"max_epochs": min(config.max_epochs, epochs)})


def learning_rate_factor(config: TrainingConfig, step: int, per_epoch: int) -> float:
    """Return by what the learning rate is multiplied.

    ``constant`` and ``cosine`` (to zero at the end) come after a linear warm-up;
    ``one_cycle`` rises along a cosine from 1/25 for three tenths of the run and falls
    along another to zero.

    Args:
        config: Schedule, warm-up and number of epochs.
        step: Number of the optimiser step, from 0.
        per_epoch: Optimiser steps in an epoch.
    """
    total = config.max_epochs * per_epoch
    if config.schedule == "one_cycle":
        rise = _RISE * total
        if step < rise:
            return 1 - (1 - _START) * _fall(step / rise)
        return _fall((step - rise) / (total - rise))
    warmup = config.warmup_epochs * per_epoch
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    return _fall((step - warmup) / max(1, total - warmup))


def _fall(progress: float) -> float:
    """Return a half cosine from 1 to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
