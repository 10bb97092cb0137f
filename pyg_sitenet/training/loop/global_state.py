"""Settings of the process that a training changes and restores."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rich
import torch

# Advice of Lightning that does not fit here: the graphs are in memory (loading needs no
# processes), runs can be small or without validation, a resumed run has checkpoints on
# purpose, the sampler goes on within an epoch, and a process may have nothing to
# validate. That of LeafSpec is between Lightning and torch.
_ADVICE = (
    r".*does not have many workers.*",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty.*",
    r".*have no `val_dataloader`.*",
    r".*LeafSpec.* is deprecated.*",
    r".*your dataloader is not resumable.*",
    r".*`broadcast_buffers` is deprecated.*",
    r".*across ranks is zero, but local rank has zero.*",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back Lightning's greetings and the advice that does not apply."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let sums run in a fixed order on the CPU; other devices have no such kernels."""
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warns)


@contextmanager
def console_kept() -> Iterator[None]:
    """Restore rich's global console, which Lightning's bar moves to standard error."""
    console = rich.get_console()
    state = vars(console).copy()
    try:
        yield
    finally:
        vars(console).update(state)
