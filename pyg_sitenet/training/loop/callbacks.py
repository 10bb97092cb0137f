"""What happens beside the steps: record, early end, progress, seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sitenet.training.loop.meter import MONITOR, Meter

if TYPE_CHECKING:
    from pyg_sitenet.training.loop.module import SiteNetModule

_SHOWN = {"mae": "MAE", "accuracy": "accuracy"}

Watch = Callable[[Mapping[str, float]], None]


class History(Callback):
    """Keeps the errors of every epoch, also across a resumed run.

    Args:
        watch: Called with each epoch that is added.

    Attributes:
        epochs: One mapping per finished epoch: ``epoch`` (from 1) and all that the
            meters of :class:`~pyg_sitenet.training.SiteNetModule` give.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.epochs: list[dict[str, float]] = []
        self.watch = watch
        self._validation: dict[str, float] = {}
        self._partial: Tensor | None = None  # sums of an epoch that was left

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the lowest validation error; ``None`` without validation."""
        scored = [one for one in self.epochs if MONITOR in one]
        scored = [one for one in scored if math.isfinite(one[MONITOR])]
        if not scored:
            return None
        return int(min(scored, key=lambda one: one[MONITOR])["epoch"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the sums of an epoch that was left in the middle."""
        if self._partial is not None and trainer.is_global_zero:
            _meters(pl_module)["train"].sums = self._partial.clone()
        self._partial = None

    def on_validation_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> None:
        """Note the errors of the validation."""
        self._validation = _take(trainer, pl_module, "val")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the epoch."""
        training = _take(trainer, pl_module, "train")
        epoch = float(trainer.current_epoch + 1)
        self.epochs.append({"epoch": epoch, **training, **self._validation})
        self._validation = {}
        if self.watch is not None and trainer.is_global_zero:
            self.watch(self.epochs[-1])

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the sums of the epoch, of all processes."""
        meter = _meters(pl_module)["train"]
        checkpoint["partial_epoch"] = _sum_over_processes(trainer, meter.sums)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on from a checkpoint."""
        del trainer, pl_module
        self._partial = checkpoint["partial_epoch"]

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"epochs": [dict(one) for one in self.epochs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epochs = [dict(one) for one in state_dict["epochs"]]


class EarlyStop(Callback):
    """Ends the training when the validation has not got better for some epochs.

    Its state is the history alone, so that a run resumed after its end stays ended.

    Args:
        history: The errors so far; recorded before this is asked.
        patience: Epochs to wait.
    """

    def __init__(self, history: History, patience: int) -> None:
        self.history = history
        self.patience = patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a resumed run that had ended."""
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the run if it is time."""
        del pl_module
        best = self.history.best_epoch or 0
        if len(self.history.epochs) - best >= self.patience:
            trainer.should_stop = True


class SeedEachStep(Callback):
    """Seeds dropout by run, batch and process, so that a resumed run repeats the whole.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Seed the random numbers of the batch."""
        del pl_module, batch
        done = trainer.current_epoch * int(trainer.num_training_batches) + batch_idx
        index = done * trainer.world_size + trainer.global_rank
        # A large stride keeps neighbouring seeds from sharing the steps of a run.
        torch.manual_seed(self.seed * 1_000_003 + index)


class LimitElements(Callback):
    """Keeps the weights of several processes equal where one changes them in passing.

    A row of the element table is limited to its norm when a batch uses it, which other
    processes, with other batches, would not see: here all rows are, in all of them.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Limit all rows before the batch uses some."""
        del trainer, batch, batch_idx
        self._limit(pl_module)

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Limit all rows before the batch uses some."""
        del trainer, batch, batch_idx, dataloader_idx
        self._limit(pl_module)

    @torch.no_grad()
    def _limit(self, pl_module: LightningModule) -> None:
        table = cast("SiteNetModule", pl_module).model.site_embedding.elements
        table(torch.arange(table.num_embeddings, device=table.weight.device))


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
            f"{stage} {_SHOWN[name.split('/')[1]]} {name.split('/', 2)[2]} {value:.3g}"
            for name, value in trainer.callback_metrics.items()
            if name.startswith(f"{stage}/") and name.split("/")[1] in _SHOWN
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


def _meters(pl_module: LightningModule) -> Mapping[str, Meter]:
    return cast("SiteNetModule", pl_module).meters


def _take(trainer: Trainer, pl_module: LightningModule, stage: str) -> dict[str, float]:
    """Return and log the errors of a stage, the same in all processes."""
    meter = _meters(pl_module)[stage]
    values = meter.take(lambda sums: _sum_over_processes(trainer, sums))
    pl_module.log_dict(values, sync_dist=trainer.world_size > 1)
    return values


def _sum_over_processes(trainer: Trainer, sums: Tensor) -> Tensor:
    if trainer.world_size == 1:
        return sums.clone()
    total = sums.to(trainer.strategy.root_device)
    return torch.as_tensor(trainer.strategy.reduce(total, reduce_op="sum")).cpu()
