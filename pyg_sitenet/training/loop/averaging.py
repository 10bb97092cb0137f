"""An exponential average of the weights that never waits for the device."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor
from torch_geometric.data import Batch


class Averaging(WeightAveraging):
    """Validates and keeps the average of the weights.

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
