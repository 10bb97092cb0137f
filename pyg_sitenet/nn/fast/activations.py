"""Activations that the fast path can differentiate by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

Pull = Callable[[Tensor], Tensor]
"""From the gradient of a result to that of ``u``; called once."""


class Activation(NamedTuple):
    """An activation as PyTorch has it, and by hand.

    Attributes:
        plain: The result, by operations that autograd follows.
        forward: The same, sooner.
        with_pull: The same, and a function that pulls a gradient back through it. Until
            that has run, neither ``u`` nor the result may be changed.
    """

    plain: Callable[[Tensor], Tensor]
    forward: Callable[[Tensor], Tensor]
    with_pull: Callable[[Tensor], tuple[Tensor, Pull]]


def _mish(u: Tensor) -> Tensor:
    return _gate(u).mul_(u) if u.device.type == "cpu" else nn.functional.mish(u)


def _mish_with_pull(u: Tensor) -> tuple[Tensor, Pull]:
    if u.device.type != "cpu":
        return nn.functional.mish(u), partial(torch.ops.aten.mish_backward, self=u)
    gate = _gate(u)
    result = u * gate

    def pull(grad: Tensor) -> Tensor:
        slope = u.sigmoid()
        rest = u.addcmul_(result, gate, value=-1)  # u (1 - gate^2)
        return gate.addcmul_(slope, rest).mul_(grad)

    return result, pull


def _gate(u: Tensor) -> Tensor:
    """Return ``n / (n + 1)``, ``n = e^u + e^2u / 2``: exact for large numbers too.

    It has one exponential; PyTorch's mish takes four times as long on the CPU.
    """
    n = u.exp()
    return n.addcmul_(n, n, value=0.5).reciprocal_().add_(1).reciprocal_()


def _silu_with_pull(u: Tensor) -> tuple[Tensor, Pull]:
    return nn.functional.silu(u), partial(torch.ops.aten.silu_backward, self=u)


def _relu_with_pull(u: Tensor) -> tuple[Tensor, Pull]:
    pull = partial(torch.ops.aten.threshold_backward, self=u, threshold=0)
    return nn.functional.relu(u), pull


_silu, _relu = nn.functional.silu, nn.functional.relu
ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Mish: Activation(nn.functional.mish, _mish, _mish_with_pull),
    nn.SiLU: Activation(_silu, _silu, _silu_with_pull),
    nn.ReLU: Activation(_relu, _relu, _relu_with_pull),
}
