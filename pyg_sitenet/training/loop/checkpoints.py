"""When a run keeps its state: the last two, the best, and at the signal to stop."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch_geometric.data import Batch

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.loop.callbacks import History
from pyg_sitenet.training.loop.checkpoint_files import last_good, load_checkpoint
from pyg_sitenet.training.loop.interruption import Interruption
from pyg_sitenet.training.run.run_folder import RunFolder

_logger = logging.getLogger(__name__)
_STOP, _SAVE, _GO_ON = 2, 1, 0
_ASKED = 20  # batches between two questions
PROCESSES = "num_processes"
"""Where a checkpoint says how many processes shared the batches."""


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
        wish = self._agreed_wish(trainer, done)
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

    def _agreed_wish(self, trainer: Trainer, done: int = 0) -> int:
        """Return what the process that wishes most wants: all do the same.

        Several ask each other seldom, since they wait for the answer.

        Args:
            trainer: Of the run.
            done: Batches of the epoch.
        """
        seconds, steps = self._saved_at
        has_steps = self.steps is not None and trainer.global_step - steps >= self.steps
        is_due = has_steps or time.monotonic() - seconds >= self.seconds
        wish = _STOP if self.interruption.is_requested(trainer) else int(is_due)
        if trainer.world_size == 1:
            return wish
        if done % _ASKED and not has_steps:  # the same in all of them
            return _GO_ON
        tensor = torch.tensor(wish, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(tensor, reduce_op="max"))

    def _save(self, trainer: Trainer) -> None:
        options = {"keep": self.folder.previous}
        trainer.save_checkpoint(self.folder.last, False, storage_options=options)
        self._saved_at = (time.monotonic(), trainer.global_step)


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
    checkpoint = last_good(folder)
    state = load_checkpoint(folder.last) if checkpoint is None else checkpoint[1]
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
