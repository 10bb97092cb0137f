"""Runs Lightning: quietly, repeatably, and so that it can be stopped and resumed."""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.callbacks import (
    EpochProgress,
    History,
    SeedEachStep,
    Watch,
    make_checkpoints,
)
from pyg_sitenet.training.module import SiteNetModule
from pyg_sitenet.training.run_folder import RunFolder

# Advice of Lightning that does not fit here: the graphs are in memory (loading needs no
# processes), runs can be small or without validation, and a resumed run has checkpoints
# on purpose. The last one is between Lightning and torch.
_ADVICE = (
    r".*does not have many workers.*",
    r".*smaller than the logging interval.*",
    r"Checkpoint directory .* exists and is not empty.*",
    r".*have no `val_dataloader`.*",
    r".*LeafSpec.* is deprecated.*",
)


class TrainingInterruptedError(SiteNetError):
    """Training was stopped from outside; what was learnt until then is kept."""


class _SafeCheckpointIO(TorchCheckpointIO):
    """Reads checkpoints without unpickling objects, whatever version of Lightning."""

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",  # noqa: ANN401 - what torch.load takes
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        del weights_only
        return load_checkpoint(Path(path), map_location)


def fit(
    module: SiteNetModule,
    train_loader: DataLoader[Any],
    val_loader: DataLoader[Any] | None,
    folder: RunFolder,
    config: TrainingConfig,
    *,
    resume: bool,
    progress: bool,
    watch: Watch | None = None,
) -> History:
    """Train until ``max_epochs``, from the last checkpoint if there is one to resume.

    Returns:
        The errors of every epoch.

    Raises:
        TrainingInterruptedError: If stopped by Ctrl-C.
        SiteNetError: If the loss is not finite or a checkpoint is damaged.
    """
    history = History(watch)
    callbacks: list[Callback] = [history, SeedEachStep(config.seed)]
    callbacks += [EpochProgress()] if progress else []
    if config.ema_decay > 0:
        average = EMAWeightAveraging(decay=config.ema_decay, use_buffers=False)
        callbacks.append(average)
    callbacks += make_checkpoints(folder.checkpoints, validates=val_loader is not None)
    checkpoint = folder.last if resume and folder.last.is_file() else None
    if checkpoint is not None:
        # Lightning draws the first order before it tells the sampler the epoch.
        done = int(load_checkpoint(checkpoint)["epoch"]) + 1
        train_loader.batch_sampler.set_epoch(done)  # type: ignore[union-attr]
    with _quiet(), _interrupts(folder, history):
        trainer = _make_trainer(folder.path, config, callbacks)
        with _repeatable(trainer.strategy.root_device):
            trainer.fit(module, train_loader, val_loader, ckpt_path=checkpoint)
    module.to(trainer.strategy.root_device)
    return history


def load_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401
    """Read a training checkpoint; only tensors and plain values, nothing unpickled.

    Raises:
        SiteNetError: If the file is damaged or holds anything else.
    """
    try:
        state: dict[str, Any] = torch.load(
            path, map_location=map_location, weights_only=True
        )
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SiteNetError(
            f"{path}: the checkpoint is damaged; delete it to train from the start: "
            f"{reason}"
        ) from error
    return state


def _make_trainer(
    folder: Path, config: TrainingConfig, callbacks: list[Callback]
) -> Trainer:
    return Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=config.max_epochs,
        gradient_clip_val=config.gradient_clip,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        plugins=[_SafeCheckpointIO()],
        default_root_dir=folder,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Lightning's greetings and the advice that does not apply."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _repeatable(device: torch.device) -> Iterator[None]:
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
def _interrupts(folder: RunFolder, history: History) -> Iterator[None]:
    """Turn Lightning's exit after Ctrl-C into an error that says what is kept."""
    try:
        yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        done = len(history.epochs)
        kept = f"{folder.last} is kept" if done else "nothing was finished"
        raise TrainingInterruptedError(
            f"{folder.path}: training was interrupted after {done} epochs, {kept}; "
            "continue it with resume (--resume)"
        ) from None
