"""Callbacks: history of the errors, early stop, seeds, element norms, averaging."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, WeightAveraging
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sitenet.training.loop.meter import MONITOR, Meter

if TYPE_CHECKING:
    from pyg_sitenet.training.loop.module import SiteNetModule

_SHOWN = ("/mae/", "/accuracy/")  # on the progress bar

LEARNING_RATE = "learning_rate"
Watch = Callable[[Mapping[str, float]], None]


class History(Callback):
    """Keeps the errors of every epoch, also across a resumed run.

    Args:
        watch: Called with each epoch that is added.

    Attributes:
        epochs: One mapping per finished epoch: ``epoch`` (from 1), ``learning_rate``
            (at its end) and all that the meters of
            :class:`~pyg_sitenet.training.SiteNetModule` give.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.epochs: list[dict[str, float]] = []
        self.watch = watch
        self._validation: dict[str, float] = {}
        self._partial: Tensor | None = None  # sums of an epoch that was left

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the lowest validation error; ``None`` without validation."""
        scored = [
            epoch
            for epoch in self.epochs
            if MONITOR in epoch and math.isfinite(epoch[MONITOR])
        ]
        if not scored:
            return None
        return int(min(scored, key=lambda epoch: epoch[MONITOR])["epoch"])

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
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        pl_module.log(LEARNING_RATE, rate)
        rates = {LEARNING_RATE: rate}
        self.epochs.append({"epoch": epoch, **rates, **training, **self._validation})
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
        return {"epochs": [dict(epoch) for epoch in self.epochs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epochs = [dict(epoch) for epoch in state_dict["epochs"]]


class EarlyStop(EarlyStopping):
    """Ends the training when the validation has not improved for some epochs.

    Lightning's own would train one more epoch when a run is resumed after its end.

    Args:
        patience: Epochs to wait.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(MONITOR, patience=patience, strict=False, check_finite=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a resumed run that had ended."""
        del pl_module
        if self.wait_count >= self.patience:
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


class SyncElementNorms(Callback):
    """Applies ``max_norm`` to all rows of the element table on every process.

    A lookup renormalises only the rows that its batch uses, so that the tables of
    processes with different batches would diverge.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Renormalise all rows before the batch uses some."""
        del trainer, batch, batch_idx
        self._renormalise(pl_module)

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Renormalise all rows before the batch uses some."""
        del trainer, batch, batch_idx, dataloader_idx
        self._renormalise(pl_module)

    @torch.no_grad()
    def _renormalise(self, pl_module: LightningModule) -> None:
        embedding = cast("SiteNetModule", pl_module).model.site_embedding
        table = embedding.elements
        rows = torch.arange(table.num_embeddings, device=table.weight.device)
        embedding.element_vectors(rows)


class Averaging(WeightAveraging):
    """Validates and keeps an exponential average of the weights.

    PyTorch's own reads how many it has averaged from the device in every step.

    Args:
        decay: Share of the average that a step leaves.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(use_buffers=False)
        self.decay = decay

    @property
    def state_key(self) -> str:
        """The name of its state in checkpoints, also in those of earlier versions."""
        return "WeightAveraging"

    @torch.no_grad()
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - whatever the step returns
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Average after a step; the first weights are taken as they are."""
        del outputs, batch, batch_idx
        average = self._average_model
        if average is None or trainer.global_step <= self._latest_update_step:
            return
        averaged: list[Tensor] = list(average.module.parameters())
        weights: list[Tensor] = list(pl_module.parameters())
        if self._latest_update_step == 0:
            torch._foreach_copy_(averaged, weights)
        else:
            torch._foreach_lerp_(averaged, weights, 1 - self.decay)
        buffers = zip(average.module.buffers(), pl_module.buffers(), strict=True)
        for own, other in buffers:
            own.copy_(other)
        average.n_averaged += 1
        self._latest_update_step = trainer.global_step


def _meters(pl_module: LightningModule) -> Mapping[str, Meter]:
    return cast("SiteNetModule", pl_module).meters


def _take(trainer: Trainer, pl_module: LightningModule, stage: str) -> dict[str, float]:
    """Return and log the errors of a stage, the same in all processes."""
    meter = _meters(pl_module)[stage]
    values = meter.take(lambda sums: _sum_over_processes(trainer, sums))
    for name, value in values.items():
        is_shown = any(kind in name for kind in _SHOWN)
        sync = trainer.world_size > 1
        pl_module.log(name, value, prog_bar=is_shown, sync_dist=sync)
    return values


def _sum_over_processes(trainer: Trainer, sums: Tensor) -> Tensor:
    if trainer.world_size == 1:
        return sums
    total = sums.to(trainer.strategy.root_device)
    return torch.as_tensor(trainer.strategy.reduce(total, reduce_op="sum")).cpu()
