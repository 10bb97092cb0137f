"""Checkpoints that survive: written at once, checked when read, two of them kept."""

from __future__ import annotations

import logging
import pickle
import time
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch_geometric.data import Batch

from pyg_sitenet.atomic import os_reason, replacing
from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.conversion.checkpoint import DAMAGE
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.callbacks import History
from pyg_sitenet.training.interruption import Interruption
from pyg_sitenet.training.run_folder import RunFolder

_logger = logging.getLogger(__name__)
_STOP, _SAVE, _GO_ON = 2, 1, 0
PROCESSES = "num_processes"
"""Where a checkpoint says how many processes shared the batches."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint all or nothing, and reads it without unpickling objects.

    The storage option ``keep`` names the file that the one before is kept as.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        """Write to a file beside it, wait for the disk, then rename."""
        keep = (storage_options or {}).get("keep")
        write_checkpoint(Path(path), checkpoint, keep=keep)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",  # noqa: ANN401 - what torch.load takes
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read tensors and plain values alone."""
        del weights_only
        return load_checkpoint(Path(path), map_location)


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt``, the one before it, and the best of the validation.

    The last one is written after each epoch, and within an epoch after so many steps or
    minutes; and when the run is told to stop, which then ends it.

    Args:
        folder: The run folder.
        history: Tells which epoch is best; its state is part of a checkpoint.
        interruption: Tells whether to stop.
        config: How often within an epoch.
    """

    def __init__(
        self,
        folder: RunFolder,
        history: History,
        interruption: Interruption,
        config: TrainingConfig,
    ) -> None:
        self.folder = folder
        self.history = history
        self.interruption = interruption
        self.seconds = 60.0 * config.checkpoint_minutes
        self.steps = config.checkpoint_steps
        self._saved_at = (time.monotonic(), 0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count from here."""
        del pl_module
        self._saved_at = (time.monotonic(), trainer.global_step)

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Note how many processes share the batches."""
        del pl_module
        checkpoint[PROCESSES] = trainer.world_size

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - whatever the step returns
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Save within an epoch where it is time, between two optimiser steps."""
        del pl_module, outputs, batch
        done = batch_idx + 1
        if done == trainer.num_training_batches or done % (
            trainer.accumulate_grad_batches
        ):
            return
        wish = self._agreed_wish(trainer)
        if wish != _GO_ON:
            self._save(trainer)
        if wish == _STOP:
            raise self.interruption.error(
                self.folder, len(self.history.epochs), done, self.folder.last
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch, and its weights if they are the best so far."""
        del pl_module
        done = len(self.history.epochs)
        if self.history.best_epoch == done:
            trainer.save_checkpoint(self.folder.best, weights_only=False)
        self._save(trainer)
        is_over = trainer.should_stop or done >= (trainer.max_epochs or 0)
        if not is_over and self._agreed_wish(trainer) == _STOP:
            raise self.interruption.error(self.folder, done, 0, self.folder.last)

    def _agreed_wish(self, trainer: Trainer) -> int:
        """Return what the process that wishes most wants: all do the same."""
        seconds, steps = self._saved_at
        is_due = time.monotonic() - seconds >= self.seconds or (
            self.steps is not None and trainer.global_step - steps >= self.steps
        )
        wish = _STOP if self.interruption.is_requested(trainer) else int(is_due)
        if trainer.world_size == 1:
            return wish
        tensor = torch.tensor(wish, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(tensor, reduce_op="max"))

    def _save(self, trainer: Trainer) -> None:
        options = {"keep": self.folder.previous}
        trainer.save_checkpoint(self.folder.last, False, storage_options=options)
        self._saved_at = (time.monotonic(), trainer.global_step)


def write_checkpoint(
    path: Path, state: dict[str, Any], *, keep: Path | None = None
) -> None:
    """Write a checkpoint so that there is a whole one at every moment.

    Args:
        path: Where it goes.
        state: Tensors and plain values.
        keep: Where the one before goes.

    Raises:
        SiteNetError: If it cannot be written, as on a full disk; the old one stays.
    """
    try:
        with replacing(path, keep=keep) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch hides some errors of the disk
        kept = "; the one before is kept" if path.exists() else ""
        raise SiteNetError(
            f"{path}: the checkpoint cannot be written: "
            f"{os_reason(error) or _line(error)}{kept}: free some space and continue "
            "with resume (--resume)"
        ) from error


def load_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401
    """Read a training checkpoint; only tensors and plain values, nothing unpickled.

    Raises:
        SiteNetError: If the file is damaged or holds anything else.
    """
    try:
        _check_sums(path)
        state: dict[str, Any] = torch.load(
            path, map_location=map_location, weights_only=True
        )
    except (*DAMAGE, OSError, pickle.UnpicklingError) as error:
        raise SiteNetError(
            f"{path}: the checkpoint is damaged ({_line(error)})"
        ) from error
    return state


def last_good(folder: RunFolder) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that is whole; None if there is none at all.

    Raises:
        SiteNetError: If there are some and each is damaged.
    """
    problem: SiteNetError | None = None
    for path in (folder.last, folder.previous):
        if not path.is_file():
            continue
        try:
            state = load_checkpoint(path)
        except SiteNetError as error:
            problem = problem or error
            continue
        if problem is not None:
            _logger.warning("%s; going on from %s", problem, path)
        return path, state
    if problem is not None:
        raise SiteNetError(
            f"{problem}, and no other is whole; delete the folder {folder.checkpoints} "
            "and continue with resume (--resume) to train from the start"
        ) from problem
    return None


class LastKept(History):
    """The history of a run that lost its best weights: those of its last epoch stay."""

    @property
    def best_epoch(self) -> int | None:
        """The last epoch."""
        return len(self.epochs)


def kept_state(folder: RunFolder, history: History) -> tuple[dict[str, Any], History]:
    """Return the state whose weights a trained run keeps, and the history to tell.

    The state is the best, or without validation the last; also the last if the file of
    the best was deleted, with a warning and a history that names the last epoch.

    Raises:
        SiteNetError: If the file is damaged: that the best weights are lost is for the
            user to say.
    """
    best, last = history.best_epoch, len(history.epochs)
    if best is not None and folder.best.is_file():
        try:
            return load_checkpoint(folder.best), history
        except SiteNetError as error:
            raise SiteNetError(
                f"{error}; it has the weights of epoch {best}, which had the lowest "
                "validation error: restore it, or delete it and continue with resume "
                f"(--resume) to keep the weights of the last epoch, {last}"
            ) from error
    found = last_good(folder)
    state = load_checkpoint(folder.last) if found is None else found[1]
    if best in (None, last):
        return state, history
    _logger.warning(
        "%s: missing; it had the weights of epoch %d, which had the lowest validation "
        "error: those of the last epoch, %d, are kept instead",
        folder.best, best, last,
    )  # fmt: skip
    lost = LastKept()
    lost.epochs = history.epochs
    return state, lost


def _check_sums(path: Path) -> None:
    """Compare the content with the sums it was written with, which torch does not."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        folders = [one.filename for one in archive.infolist() if one.external_attr & 16]
    if damaged is not None:
        raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    if folders:  # of which torch reads nothing, and gives whatever was in the memory
        raise zipfile.BadZipFile(f"{folders[0]} is marked as a folder")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
