"""Checkpoints that survive: written at once, checked when read, two of them kept."""

from __future__ import annotations

import logging
import os
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

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.callbacks import History
from pyg_sitenet.training.interruption import Interruption
from pyg_sitenet.training.run_folder import RunFolder

_logger = logging.getLogger(__name__)
_STOP, _SAVE, _GO_ON = 2, 1, 0


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
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:  # torch hides some errors of the disk
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise SiteNetError(
            f"{path}: the checkpoint cannot be written: {reason}; the one before is "
            "kept: free some space and continue with resume (--resume)"
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
    except (
        OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:200]
        raise SiteNetError(
            f"{path}: the checkpoint is damaged; delete it to train from the start: "
            f"{reason}"
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
        raise problem
    return None


def _check_sums(path: Path) -> None:
    """Compare the content with the sums it was written with, which torch does not."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"wrong checksum of {damaged}")


def _sync_folder(folder: Path) -> None:
    """Let the renaming reach the disk, where folders can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
