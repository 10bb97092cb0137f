"""The optimisation of a SiteNet as a Lightning module."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR
from torch_geometric.data import Batch

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.nn import SiteNet

MONITOR = "val/score"


class SiteNetModule(LightningModule):
    """Trains a :class:`~pyg_sitenet.nn.SiteNet` on one or more targets.

    The statistics of the targets come from the training part alone. With
    ``standardize_target`` the model learns (y - mean) / spread and its outputs are
    scaled back, so that predictions and logged errors are in target units either way.
    AdamW decays every parameter, as the published training does.

    Logged for each epoch: ``{train,val}/loss``, ``{train,val}/mae/<target>`` in units
    of the target, and ``val/score``, by which the best weights are chosen: the MAE
    divided by the spread of the training targets, averaged over the targets. All of
    them are weighted by crystals, not by batches.

    Args:
        model: The network; its target scaling is set here.
        config: Loss, optimiser and schedule.
        targets: Name of each column of ``y``.
        train_y: Targets of the training part, to fit the statistics on.
        steps_per_epoch: Optimiser steps in an epoch, for the schedule.

    Shapes:
        - **train_y:** :math:`(N, T)`
    """

    spread: Tensor

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
        mean, spread = target_statistics(train_y)
        self.register_buffer("spread", spread)
        if config.standardize_target:
            model.set_target_scaling(mean, spread)

    def forward(self, batch: Batch) -> Tensor:
        """Return the predictions in target units, [num_graphs, T]."""
        values: Tensor = self.model(batch)
        return values

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of a batch.

        Raises:
            SiteNetError: If the loss is not finite.
        """
        loss = self._step(batch, "train")
        if not torch.isfinite(loss):
            raise SiteNetError(self._explain_divergence(batch, loss.item()))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Log the errors of a batch."""
        self._step(batch, "val")

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW and the learning rate as a function of the optimiser step."""
        config = self.config
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            eps=config.eps,
            amsgrad=config.amsgrad,
        )
        scheduler = LambdaLR(optimizer, self._learning_rate_factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _step(self, batch: Batch, stage: str) -> Tensor:
        error = self.model(batch) - batch.y  # [num_graphs, T]
        loss = self._loss(error)
        mae = error.detach().abs().mean(dim=0)  # [T]
        values = {f"{stage}/loss": loss.detach()}
        values |= {f"{stage}/mae/{name}": mae[t] for t, name in enumerate(self.targets)}
        if stage == "val":
            values[MONITOR] = (mae / self.spread).mean()
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=batch.num_graphs)
        return loss

    def _loss(self, error: Tensor) -> Tensor:
        if self.config.standardize_target:
            error = error / self.spread
        if self.config.loss == "mae":
            return error.abs().mean()
        if self.config.loss == "mse":
            return error.square().mean()
        return F.huber_loss(error, torch.zeros_like(error))

    def _learning_rate_factor(self, step: int) -> float:
        warmup = self.config.warmup_epochs * self.steps_per_epoch
        if step < warmup:
            return (step + 1) / warmup
        if self.config.schedule == "constant":
            return 1.0
        total = self.config.max_epochs * self.steps_per_epoch
        progress = (step - warmup) / max(1, total - warmup)
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))

    def _explain_divergence(self, batch: Batch, loss: float) -> str:
        identifiers = ", ".join(str(name) for name in batch.id[:5])
        return (
            f"the loss became {loss} in epoch {self.current_epoch + 1} (batch with "
            f"{identifiers}, ...); lower training.learning_rate "
            f"({self.config.learning_rate:g}) or look for extreme targets"
        )


def target_statistics(y: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and spread (standard deviation) of each target, both [T].

    A target that is constant, or known for one crystal, has spread 1.

    Shapes:
        - **y:** :math:`(N, T)`
    """
    values = y.double()
    spread = values.std(dim=0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    return values.mean(dim=0).float(), spread.float()
