"""Losses and gradients that are not finite: named by their crystals, or skipped."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.optim import Optimizer
from torch_geometric.data import Batch

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import SiteNetError

if TYPE_CHECKING:
    from pyg_sitenet.training.loop.module import SiteNetModule

_logger = logging.getLogger(__name__)
_SHOWN = 5


class NonFiniteGuard(Callback):
    """Looks at the gradients before each step, which a loss that is NaN makes NaN.

    A step that is skipped leaves weights and moments as they are. All processes see the
    same gradients and so do the same.

    Args:
        config: Whether such a step is an error or is skipped, and how many may be.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.num_skipped = 0
        self._ids: list[str] = []
        self._losses: list[Tensor] = []  # of the step's batches

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Note the crystals of the step."""
        del pl_module
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._ids, self._losses = [], []
        self._ids += [str(name) for name in batch.id]

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the loss of the batch."""
        del trainer
        self._losses.append(cast("SiteNetModule", pl_module).last_loss)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Let the step go ahead, skip it or end the run.

        Raises:
            SiteNetError: If the gradients are not finite and that is an error, or if
                too many steps were skipped.
        """
        del optimizer
        weights = [p for p in pl_module.parameters() if p.grad is not None]
        gradients = [p.grad for p in weights if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if _are_finite(gradients, norm):  # the only look at a number on the device
            cast("SiteNetModule", pl_module).gradient_norm = norm
            return
        # Of the step's batches the first that is not finite.
        losses = [float(loss) for loss in self._losses]
        loss = next((loss for loss in losses if not math.isfinite(loss)), 0.0)
        if _has_scaler(trainer) and math.isfinite(loss):
            return  # overflow of the scaled loss: the scaler skips it and scales less
        message = self._explain(trainer, loss)
        if self.config.on_nonfinite == "error":
            raise SiteNetError(f"{message}; {self._remedy()}")
        self.num_skipped += 1
        if self.num_skipped > self.config.nonfinite_limit:
            raise SiteNetError(
                f"{message}; {self.num_skipped} steps were skipped, more than "
                f"training.nonfinite_limit allows; {self._remedy()}"
            )
        _logger.warning("%s; the step is skipped", message)
        for weight in weights:
            weight.grad = None  # without a gradient AdamW leaves a weight alone

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"num_skipped": self.num_skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.num_skipped = int(state_dict["num_skipped"])

    def _explain(self, trainer: Trainer, loss: float) -> str:
        batch = f"batch with {', '.join(self._ids[:_SHOWN])}"
        batch += ", ..." if len(self._ids) > _SHOWN else ""
        what = "a gradient is not finite"
        if not math.isfinite(loss):
            what = f"the loss became {loss}"
        elif trainer.world_size > 1:  # gradients are averaged over all of them
            number = f"{trainer.global_rank + 1} of {trainer.world_size}"
            batch += f" in process {number}, or that of another process"
        return f"{what} in epoch {trainer.current_epoch + 1} ({batch})"

    def _remedy(self) -> str:
        return (
            f"lower training.learning_rate ({self.config.learning_rate:g}), look for "
            "extreme targets, or set training.on_nonfinite=skip"
        )


def _has_scaler(trainer: Trainer) -> bool:
    # Not so on the CPU, where Lightning takes bfloat16 for float16.
    plugin = trainer.precision_plugin
    return isinstance(plugin, MixedPrecision) and plugin.scaler is not None


def _are_finite(gradients: list[Tensor], norm: Tensor) -> bool:
    # The norm may be too large for float32 where no gradient is.
    return bool(norm.isfinite()) or all(
        bool(gradient.isfinite().all()) for gradient in gradients
    )
