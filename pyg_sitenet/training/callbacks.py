"""What happens beside the steps: record, checkpoints, progress, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch_geometric.data import Batch

from pyg_sitenet.training.module import MONITOR

Watch = Callable[[Mapping[str, float]], None]


class History(Callback):
    """Keeps the errors of every epoch, also across a resumed run.

    Args:
        watch: Called with each epoch that is added.

    Attributes:
        epochs: One mapping per finished epoch: ``epoch`` (from 1) and all that
            :class:`~pyg_sitenet.training.SiteNetModule` logs.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.epochs: list[dict[str, float]] = []
        self.watch = watch

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the lowest validation error; ``None`` without validation."""
        scored = [one for one in self.epochs if MONITOR in one]
        scored = [one for one in scored if math.isfinite(one[MONITOR])]
        if not scored:
            return None
        return int(min(scored, key=lambda one: one[MONITOR])["epoch"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the epoch."""
        values = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(("train/", "val/"))
        }
        del pl_module
        self.epochs.append({"epoch": float(trainer.current_epoch + 1), **values})
        if self.watch is not None:
            self.watch(self.epochs[-1])

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"epochs": [dict(one) for one in self.epochs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epochs = [dict(one) for one in state_dict["epochs"]]


class SeedEachStep(Callback):
    """Seeds dropout by run and step, so that a resumed run repeats the whole one.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Seed the random numbers of the step."""
        del pl_module, batch, batch_idx
        # A large stride keeps neighbouring seeds from sharing the steps of a run.
        torch.manual_seed(self.seed * 1_000_003 + trainer.global_step)


class EpochProgress(Callback):
    """A progress bar over the epochs, on standard error."""

    def __init__(self) -> None:
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        del pl_module
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[errors]}"),
            console=Console(stderr=True),
        )
        self._bar.add_task(
            "", total=trainer.max_epochs, completed=trainer.current_epoch, errors=""
        )
        self._bar.start()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the bar on and show the errors of the epoch."""
        del pl_module
        if self._bar is None:
            return
        stage = "val" if MONITOR in trainer.callback_metrics else "train"
        errors = ", ".join(
            f"{name.replace('/mae/', ' MAE ')} {float(value):.3g}"
            for name, value in trainer.callback_metrics.items()
            if name.startswith(f"{stage}/mae/")
        )
        self._bar.update(
            self._bar.task_ids[0], completed=trainer.current_epoch + 1, errors=errors
        )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the bar as it is."""
        del trainer, pl_module
        self._stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the terminal back."""
        del trainer, pl_module, exception
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def make_checkpoints(folder: Path, *, validates: bool) -> list[ModelCheckpoint]:
    """Return what writes ``last.ckpt`` and, with validation, ``best.ckpt``.

    The last one comes last, so that it holds the record of the best.
    """
    last = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    if not validates:
        return [last]
    best = ModelCheckpoint(
        folder, filename="best", monitor=MONITOR, enable_version_counter=False
    )
    return [best, last]
