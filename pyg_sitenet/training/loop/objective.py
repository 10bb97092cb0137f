"""What is minimised: a loss for each target that leaves unknown values out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import DataError
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs

_NEEDED = {
    "log": ("above 0", 0.0),
    "log10": ("above 0", 0.0),
    "log1p": ("above -1", -1.0),
}


class Sums(NamedTuple):
    """Sums over the known values of a batch; the loss is differentiable.

    Attributes:
        loss: Sum of the losses over all targets.
        known: Known values of each target, [T].
        error: Sum of each target's errors: absolute, in its unit, or for classes the
            negative logarithm of the true one's probability, weighted as in the loss,
            [T].
        right: Crystals that got their class, 0 for numbers, [T].
    """

    loss: Tensor
    known: Tensor
    error: Tensor
    right: Tensor


class Objective:
    """Compares what a model learnt with the known values.

    Args:
        config: The loss, and whether it is in units of the spread.
        layout: The outputs of the targets.
        spread: Spread of what is learnt of each output, [T_out].
        weights: Of each output that is a class, [T_out]. (default: all 1)
    """

    def __init__(
        self,
        config: TrainingConfig,
        layout: OutputLayout,
        spread: Tensor,
        weights: Tensor | None = None,
    ) -> None:
        self.config = config
        self.layout = layout
        self.weights = torch.ones_like(spread) if weights is None else weights
        self.spread = spread if config.standardize_target else torch.ones_like(spread)

    def __call__(self, learned: Tensor, y: Tensor) -> Sums:
        """Return the sums of a batch.

        Shapes:
            - **learned:** :math:`(B, T_{out})`
            - **y:** :math:`(B, T)`, NaN where unknown, classes by number
        """
        learned = learned.float()  # a sum in half precision would round
        parts = [
            self._target(one, learned[:, one.columns], y[:, t])
            for t, one in enumerate(self.layout.targets)
        ]
        loss, known, error, right = (
            torch.stack(part) for part in zip(*parts, strict=True)
        )
        return Sums(loss.sum(), known, error, right)

    def _target(self, one: TargetOutputs, learned: Tensor, y: Tensor) -> list[Tensor]:
        known = ~torch.isnan(y)
        learned, y = learned[known], y[known]
        if one.classes:
            weight = self.weights.to(learned)[one.columns]
            loss = F.cross_entropy(learned, y.long(), weight, reduction="sum")
            right = (learned.detach().argmax(dim=-1) == y.long()).sum()
            return [loss, known.sum().float(), loss.detach(), right.float()]
        spread = self.spread.to(learned.device)[one.start]
        loss = self._loss((learned[:, 0] - one.learned(y)) / spread)
        error = (one.in_unit(learned[:, 0].detach()) - y).abs().sum()
        return [loss, known.sum().float(), error, torch.zeros_like(error)]

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
    for t, one in enumerate(layout.targets):
        if one.classes:
            known = y[:, t][~torch.isnan(y[:, t])].long()
            counts = torch.bincount(known, minlength=len(one.classes))
            weights[one.columns] = len(known) / (len(one.classes) * counts)
    return weights


class TargetStatistics(NamedTuple):
    """Statistics of the known training targets.

    Attributes:
        mean, spread: Of what each output learns, [T_out]; 0 and 1 for classes.
        unit_spread: Of each target in its unit, [T]; for classes the logarithm of their
            number, which an answer by lot has as its error.
    """

    mean: Tensor
    spread: Tensor
    unit_spread: Tensor


def target_statistics(y: Tensor, layout: OutputLayout) -> TargetStatistics:
    """Return mean and spread (standard deviation) of the known values of each target.

    A target that is constant, or known for one crystal or none, has spread 1.

    Shapes:
        - **y:** :math:`(N, T)`
    """
    mean, spread = torch.zeros(layout.num_outputs), torch.ones(layout.num_outputs)
    unit_spread = torch.ones(len(layout.targets))
    for t, one in enumerate(layout.targets):
        known = y[:, t][~torch.isnan(y[:, t])].double()
        if one.classes:
            unit_spread[t] = torch.tensor(float(len(one.classes))).log()
        elif known.numel():
            learned = one.learned(known)
            mean[one.start], spread[one.start] = learned.mean(), _spread(learned)
            unit_spread[t] = _spread(known)
    return TargetStatistics(mean, spread, unit_spread)


def check_targets(y: Tensor, ids: Sequence[str], layout: OutputLayout) -> None:
    """Check that a logarithm exists of every value that it is taken of.

    Raises:
        DataError: If not; names the first crystal.
    """
    for t, one in enumerate(layout.targets):
        if not one.transform:
            continue
        words, bound = _NEEDED[one.transform]
        wrong = torch.nonzero(y[:, t] <= bound)[:, 0].tolist()
        if wrong:
            raise DataError(
                f"{ids[wrong[0]]}: the target {one.name!r} is {y[wrong[0], t].item():g}"
                f" ({len(wrong)} such crystals); training.target_transform"
                f" {one.transform} needs values {words}: remove them, or choose another"
                " transform"
            )


def _spread(values: Tensor) -> Tensor:
    spread = values.std(correction=0)
    return torch.where(spread > 0, spread, torch.ones_like(spread))
