"""Activations of a chunk and their slopes, in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


def _mish(u: Tensor, out: Tensor) -> None:
    # u n / (n + 1) with n = e^u + e^2u / 2: one exponential, exact for large |u| too.
    torch.exp(u, out=out)
    out.addcmul_(out, out, value=0.5).reciprocal_().add_(1).reciprocal_().mul_(u)


def _mish_slope(u: Tensor, out: Tensor, slope: Tensor, gate: Tensor) -> None:
    torch.exp(u, out=gate)
    gate.addcmul_(gate, gate, value=0.5).reciprocal_().add_(1).reciprocal_()
    torch.mul(u, gate, out=out)
    torch.sigmoid(u, out=slope)
    u.addcmul_(out, gate, value=-1)
    torch.addcmul(gate, slope, u, out=slope)  # gate + sigmoid(u) u (1 - gate^2)


def _silu(u: Tensor, out: Tensor) -> None:
    torch.sigmoid(u, out=out).mul_(u)


def _silu_slope(u: Tensor, out: Tensor, slope: Tensor, gate: Tensor) -> None:
    torch.sigmoid(u, out=gate)
    torch.mul(u, gate, out=out)
    u.sub_(out)
    torch.addcmul(gate, gate, u, out=slope)


def _relu(u: Tensor, out: Tensor) -> None:
    torch.clamp(u, min=0, out=out)


def _relu_slope(u: Tensor, out: Tensor, slope: Tensor, _: Tensor) -> None:
    torch.clamp(u, min=0, out=out)
    torch.sign(out, out=slope)


class Activation(NamedTuple):
    """``forward(u, out)`` and ``slope(u, out, slope, scratch)``, which may spoil u.

    ``plain(u)`` is the same in PyTorch's own steps, for gradients of gradients.
    """

    forward: Callable[[Tensor, Tensor], None]
    slope: Callable[[Tensor, Tensor, Tensor, Tensor], None]
    plain: Callable[[Tensor], Tensor]


ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Mish: Activation(_mish, _mish_slope, nn.functional.mish),
    nn.SiLU: Activation(_silu, _silu_slope, nn.functional.silu),
    nn.ReLU: Activation(_relu, _relu_slope, nn.functional.relu),
}
