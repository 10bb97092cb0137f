"""What is minimised: a loss for each target that leaves unknown values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import DataError
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs

_NEEDED = {
    "log": ("above 0", 0.0),
    "log10": ("above 0", 0.0),
    "log1p": ("above -1", -1.0),
}


# Rounding of a value that does not matter, in units of the spread.
_TELLS_APART = 1e-3
_UNKNOWN = -100  # of a class


class Sums(NamedTuple):
    """Sums over the known values of a batch; the loss is differentiable.

    Attributes:
        loss: Sum of the losses over all targets.
        counts: Known values of each target, [T].
        error: Sum of each target's errors: absolute, in its unit, or for classes the
            negative logarithm of the true one's probability, weighted as in the loss,
            [T].
        right: Crystals that got their class, 0 for numbers, [T].
    """

    loss: Tensor
    counts: Tensor
    error: Tensor
    right: Tensor


class Objective(nn.Module):
    """Compares what a model learnt with the known values.

    Unknown values are masked and not taken out, which would wait for a GPU.

    Args:
        config: The loss, and whether it is in units of the spread.
        layout: The outputs of the targets.
        spread: Spread of what is learnt of each output, [T_out].
        weights: Of each output that is a class, [T_out]. (default: all 1)
    """

    spread: Tensor
    weights: Tensor

    def __init__(
        self,
        config: TrainingConfig,
        layout: OutputLayout,
        spread: Tensor,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.layout = layout
        ones = torch.ones_like(spread)
        used = spread if config.standardize_target else ones
        self.register_buffer("spread", used, persistent=False)
        weights = ones if weights is None else weights
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, learned: Tensor, y: Tensor) -> Sums:
        """Return the sums of a batch.

        Shapes:
            - **learned:** :math:`(B, T_{out})`
            - **y:** :math:`(B, T)`, NaN where unknown, classes by number
        """
        if learned.dtype != torch.float64:
            learned = learned.float()  # a sum in half precision would round
        y = y.to(learned.dtype)
        parts = [
            self._target(target, learned[:, target.columns], y[:, t])
            for t, target in enumerate(self.layout.targets)
        ]
        loss, counts, error, right = (
            torch.stack(part) for part in zip(*parts, strict=True)
        )
        return Sums(loss.sum(), counts, error, right)

    def _target(
        self, target: TargetOutputs, learned: Tensor, y: Tensor
    ) -> list[Tensor]:
        is_known = ~torch.isnan(y)
        if target.classes:
            weight = self.weights.to(learned.dtype)[target.columns]
            y = torch.where(is_known, y, torch.full_like(y, _UNKNOWN)).long()
            loss = F.cross_entropy(
                learned, y, weight, reduction="sum", ignore_index=_UNKNOWN
            )
            right = (learned.detach().argmax(dim=-1) == y).sum()
            return [loss, is_known.sum().float(), loss.detach(), right.float()]
        value, none = learned[:, 0], torch.zeros_like(y)
        y = torch.where(is_known, y, torch.ones_like(y))  # has a logarithm
        off = (value - target.learned(y)) / self.spread[target.start]
        loss = self._loss(torch.where(is_known, off, none))
        error = (target.in_unit(value.detach()) - y).abs()
        error = torch.where(is_known, error, none).sum()
        return [loss, is_known.sum().float(), error, torch.zeros_like(error)]

    def _loss(self, error: Tensor) -> Tensor:
        if self.config.loss == "mae":
            return error.abs().sum()
        if self.config.loss == "mse":
            return error.square().sum()
        delta = self.config.huber_delta
        zero = torch.zeros_like(error)
        return F.huber_loss(error, zero, reduction="sum", delta=delta)


def balanced_weights(y: Tensor, layout: OutputLayout) -> Tensor:
    """Return weights of classes that let each count alike, [T_out]; 1 for numbers.

    Over the crystals of known class they have the mean 1.

    Shapes:
        - **y:** :math:`(N, T)`, classes by number, at least one crystal of each
    """
    weights = torch.ones(layout.num_outputs)
    for t, target in enumerate(layout.targets):
        if target.classes:
            labels = y[:, t][~torch.isnan(y[:, t])].long()
            counts = torch.bincount(labels, minlength=len(target.classes))
            weights[target.columns] = len(labels) / (len(target.classes) * counts)
    return weights


class TargetStatistics(NamedTuple):
    """Statistics of the known training targets.

    Attributes:
        mean, spread: Of what each output learns, [T_out]; 0 and 1 for classes.
        unit_spread: Of each target in its unit, [T]; for K classes log K, the
            cross-entropy of a uniform guess.
        varies: Whether what each output learns has more than one value, [T_out].

    All but the last are in double precision.
    """

    mean: Tensor
    spread: Tensor
    unit_spread: Tensor
    varies: Tensor

    @property
    def is_fine(self) -> Tensor:
        """Which outputs differ by less than single precision tells apart, [T_out]."""
        rounding = torch.finfo(torch.float32).eps * self.mean.abs()
        return (rounding > _TELLS_APART * self.spread) & self.varies


def target_statistics(y: Tensor, layout: OutputLayout) -> TargetStatistics:
    """Return mean and spread (standard deviation) of the known values of each target.

    A target that is constant, or known for one crystal or none, has spread 1.

    Shapes:
        - **y:** :math:`(N, T)`
    """
    mean = torch.zeros(layout.num_outputs, dtype=torch.float64)
    spread = torch.ones(layout.num_outputs, dtype=torch.float64)
    unit_spread = torch.ones(len(layout.targets), dtype=torch.float64)
    varies = torch.zeros(layout.num_outputs, dtype=torch.bool)
    for t, target in enumerate(layout.targets):
        values = y[:, t][~torch.isnan(y[:, t])].double()
        if target.classes:
            unit_spread[t] = torch.tensor(float(len(target.classes))).log()
        elif values.numel():
            learned = target.learned(values)
            mean[target.start], spread[target.start] = learned.mean(), _spread(learned)
            unit_spread[t] = _spread(values)
            varies[target.start] = learned.max() > learned.min()
    return TargetStatistics(mean, spread, unit_spread, varies)


def check_targets(y: Tensor, ids: Sequence[str], layout: OutputLayout) -> None:
    """Check that a logarithm exists of every value that it is taken of.

    Raises:
        DataError: If not; names the first crystal.
    """
    for t, target in enumerate(layout.targets):
        if not target.transform:
            continue
        words, bound = _NEEDED[target.transform]
        wrong = torch.nonzero(y[:, t] <= bound)[:, 0].tolist()
        if wrong:
            raise DataError(
                f"{ids[wrong[0]]}: the target {target.name!r} is"
                f" {y[wrong[0], t].item():g} ({len(wrong)} such crystals);"
                f" training.target_transform {target.transform} needs values {words}:"
                " remove them, or choose another transform"
            )


def _spread(values: Tensor) -> Tensor:
    spread = values.std(correction=0)
    return torch.where(spread > 0, spread, torch.ones_like(spread))


def poison(loss: Tensor) -> Tensor:
    """Make a loss that is not finite NaN, so that its gradients show it everywhere."""
    return loss * torch.where(torch.isfinite(loss), 1.0, torch.nan)
