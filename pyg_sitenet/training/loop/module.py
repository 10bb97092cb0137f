"""The optimisation of a SiteNet as a Lightning module, and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch_geometric.data import Batch

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training.loop.meter import MONITOR, Meter
from pyg_sitenet.training.loop.muon import make_optimizer
from pyg_sitenet.training.loop.objective import (
    Objective,
    Sums,
    balanced_weights,
    poison,
    target_statistics,
)

__all__ = ["MONITOR", "SiteNetModule"]

# As in Smith and Topin (2019): rise for three tenths, then fall to almost nothing.
_RISE = 0.3
_START = 1 / 25
_FEWEST_EPOCHS = 36


class SiteNetModule(LightningModule):
    """Trains a :class:`~pyg_sitenet.nn.SiteNet` on one or more targets.

    The statistics of the targets come from the training part alone. With
    ``standardize_target`` the model learns (y - mean) / spread and its outputs are
    scaled back (in double precision where single would not tell the targets apart), so
    that predictions and errors are in target units either way; with a
    ``target_transform`` both are of the logarithm. Values that are NaN (not known)
    count nowhere. AdamW decays every parameter, as the published training does;
    ``muon`` gives the matrices between the first layers and the last orthogonal steps.

    The loss is the mean over the known values of a batch. Where several processes train
    it is that of their batches together: each divides its sum by the number of all.

    ``meters`` sum the errors of an epoch, weighted by crystals and not by batches.

    Args:
        model: The network; its target scaling is set here.
        config: Loss, optimiser and schedule.
        targets: Name of each column of ``y``.
        train_y: Targets of the training part, to fit the statistics on.
        steps_per_epoch: Optimiser steps in an epoch, for the schedule.

    Shapes:
        - **train_y:** :math:`(N, T)`
    """

    # A process may have no batch of a small validation part.
    allow_zero_length_dataloader_with_multiple_devices = True

    def __init__(
        self,
        model: SiteNet,
        config: TrainingConfig,
        targets: Sequence[str],
        train_y: Tensor,
        steps_per_epoch: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.targets = tuple(targets)
        self.steps_per_epoch = max(1, steps_per_epoch)
        statistics = target_statistics(train_y, model.layout)
        if config.standardize_target:
            if statistics.is_fine.any():
                model.widen_scaling()
            model.set_target_scaling(statistics.mean, statistics.spread)
        self.objective = Objective(
            config,
            model.layout,
            statistics.spread.to(model.target_mean.dtype),
            balanced_weights(train_y, model.layout)
            if config.class_weights == "balanced"
            else None,
        )
        self.meters = {
            stage: Meter(stage, model.layout, targets, statistics.unit_spread.tolist())
            for stage in ("train", "val")
        }
        self.last_loss = torch.zeros(())
        self._compiled: Callable[[Batch], Tensor] | None = None
        self.gradient_norm: Tensor | None = None  # of this step, once it was looked at
        if config.freeze_encoder:
            for weight in _encoder(model):
                weight.requires_grad_(False)

    def forward(self, batch: Batch) -> Tensor:
        """Return the predictions in target units, [num_graphs, T_out]."""
        values: Tensor = self.model(batch)
        return values

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:  # noqa: ARG002
        """Round the targets if nothing is lost: not all devices have doubles."""
        batch.y = batch.y.to(self.model.target_mean.dtype)
        return batch

    def transfer_batch_to_device(
        self,
        batch: Batch,
        device: torch.device,
        dataloader_idx: int,  # noqa: ARG002
    ) -> Batch:
        """Move a batch without waiting for it, where PyTorch can be relied on."""
        return batch.to(device, non_blocking=device.type != "mps")

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm that was looked at before the step, if it was."""
        norm, self.gradient_norm = self.gradient_norm, None
        if norm is None or not gradient_clip_val:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        groups: list[dict[str, Any]] = optimizer.param_groups
        weights = [weight for group in groups for weight in group["params"]]
        torch.nn.utils.clip_grads_with_norm_(weights, gradient_clip_val, norm)

    def on_fit_start(self) -> None:
        """Compile what a step computes, under no other name: weights keep theirs."""
        if self.config.compile:
            self._compiled = torch.compile(self.model.learned, dynamic=True)

    def on_fit_end(self) -> None:
        """Be again what can be copied and sent."""
        self._compiled = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of a batch."""
        learned = self._compiled or self.model.learned
        sums = self.objective(learned(batch), batch.y)
        loss = poison(sums.loss * self._share(sums))
        self.last_loss = loss.detach()
        self.meters["train"].add(sums, counts=loss.detach().isfinite())
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Add the errors of a batch."""
        self.meters["val"].add(self.objective(self.model.learned(batch), batch.y))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser and the learning rate as a function of its step."""
        config, per_epoch = self.config, self.steps_per_epoch
        optimizer = make_optimizer(self.model, config)
        scheduler = LambdaLR(
            optimizer, lambda step: learning_rate_factor(config, step, per_epoch)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _share(self, sums: Sums) -> Tensor:
        """Return the factor from a sum to the share of this process in the mean."""
        count = sums.counts.sum()
        if self._num_processes == 1:
            return 1 / count.clamp(min=1)
        # Gradients are averaged over the processes, as if each had as many values.
        total = self.trainer.strategy.reduce(count.clone(), reduce_op="sum")
        return self._num_processes / torch.as_tensor(total).clamp(min=1)

    @property
    def _num_processes(self) -> int:
        return self._trainer.world_size if self._trainer is not None else 1


def _encoder(model: SiteNet) -> Iterator[nn.Parameter]:
    """Yield the weights up to the pooling."""
    for name, weight in model.named_parameters():
        if not name.startswith(("readout.post_pool", "readout.linear")):
            yield weight


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
