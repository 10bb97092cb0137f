"""Settings of the process that a training changes and restores."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rich
import torch

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
# Advice of Lightning that does not fit here: the graphs are in memory (loading needs no
# processes), runs can be small or without validation, a resumed run has checkpoints on
# purpose, the sampler goes on within an epoch, and a process may have nothing to
# validate. That of LeafSpec is between Lightning and torch, that of script_method
# between torch.compile and the rest of torch.
_ADVICE = (
    r".*does not have many workers.*",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty.*",
    r".*have no `val_dataloader`.*",
    r".*LeafSpec.* is deprecated.*",
    r".*script_method` is (deprecated|not supported).*",
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
def repeatable(device: torch.device, *, on_gpu: bool) -> Iterator[None]:
    """Let sums run in a fixed order, on a GPU only if that is asked for: it is slower.

    cuBLAS reads its variable at its first product, and keeps to it.
    """
    before = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(_WORKSPACE)
    if device.type == "cpu" or on_gpu:
        torch.use_deterministic_algorithms(True)
    if device.type == "cuda" and on_gpu:
        os.environ.setdefault(_WORKSPACE, ":4096:8")
    try:
        yield
    finally:
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)
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
