"""Layers on pairs, worked through in chunks of pairs that stay in the cache.

A layer on pairs is cheap to compute and dear to store: 225 numbers a pair. So a chunk
of pairs goes through all steps while it is in the cache, only what the caller takes out
of it is kept, and the backward pass computes the chunk again. There is no padding and
no order that the pairs must have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

CPU_CHUNK = 2**17
"""Numbers in a chunk; four such buffers of float32 are 2 MB, a core's own cache."""
DEVICE_CHUNK = 2**24


def _mish(u: Tensor, out: Tensor) -> None:
    # u n / (n + 1) with n = e^u + e^2u / 2: one exponential, exact for large |u| too.
    torch.exp(u, out=out)
    out.addcmul_(out, out, value=0.5).reciprocal_().add_(1)
    torch.div(u, out, out=out)


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
    """``forward(u, out)`` and ``slope(u, out, slope, scratch)``, which may spoil u."""

    forward: Callable[[Tensor, Tensor], None]
    slope: Callable[[Tensor, Tensor, Tensor, Tensor], None]


ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.Mish: Activation(_mish, _mish_slope),
    nn.SiLU: Activation(_silu, _silu_slope),
    nn.ReLU: Activation(_relu, _relu_slope),
}


class Terms(NamedTuple):
    """What a layer adds up before its activation: tensors that may have gradients."""

    receiver: Tensor  # [n_dst, C], added by receiver; or a bias [C]
    sender: Tensor | None  # [n_src, C], added by sender
    weight: Tensor  # [C, D], applied to the features of a pair


class Chunk(NamedTuple):
    """A chunk of pairs in the backward pass."""

    pairs: slice
    out: Tensor  # [K, C] activations
    slope: Tensor  # [K, C] their derivative
    grad: Tensor  # [K, C] to be filled by the caller
    scratch: Tensor  # [K, C]


class ChunkedLayer:
    """``(a - mean) * rstd`` with ``a = activation(terms)``, chunk by chunk.

    Args:
        terms: What is added up.
        features: Pair features ``[E, D]``.
        index: Sender and receiver of each pair ``[2, E]``; ``None`` if the terms have
            no sender.
        activation: One of :data:`ACTIVATIONS`.
        eps: Of the layer norm; ``None`` leaves mean 0 and rstd 1.
        statistics: Mean and rstd ``[2, E, 1]`` of the forward pass, for the backward
            one.
    """

    def __init__(
        self,
        terms: Terms,
        features: Tensor,
        index: Tensor | None,
        activation: Activation,
        eps: float | None,
        statistics: Tensor | None = None,
    ) -> None:
        self.terms, self.features = terms, features
        self.index = None if index is None else index.unbind()
        self.activation, self.eps = activation, eps
        self.weight = terms.weight.t().contiguous()
        self.width = terms.weight.size(0)
        size = CPU_CHUNK if features.device.type == "cpu" else DEVICE_CHUNK
        self.rows = max(1, min(len(features), size // self.width))
        num_buffers = 2 if statistics is None else 4
        self._buffers = features.new_empty(num_buffers, self.rows, self.width)
        if statistics is None:
            statistics = features.new_zeros(2, len(features), 1)
            statistics[1] = 1
        self.statistics = statistics
        self.mean, self.rstd = statistics

    def forward(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield the normalised activations ``[K, C]`` but for their factor rstd."""
        for pairs, (u, out) in self._chunks():
            self._add_up(pairs, u, out)
            self.activation.forward(u, out)
            if self.eps is not None:
                mean, rstd = self.mean[pairs], self.rstd[pairs]
                torch.mean(out, dim=1, keepdim=True, out=mean)
                out.sub_(mean)
                torch.linalg.vector_norm(out, dim=1, keepdim=True, out=rstd)
                rstd.square_().div_(self.width).add_(self.eps).rsqrt_()
            yield pairs, out

    def backward(self, edge_grad: Tensor | None, *, add: bool) -> Iterator[Chunk]:
        """Yield chunks; take back their ``grad`` with regard to the activations.

        Args:
            edge_grad: Where the gradient of the features ``[E, D]`` goes.
            add: Add it to what is there.
        """
        receiver, sender, weight = self.terms
        self.grads = Terms(
            torch.zeros_like(receiver),
            None if sender is None else torch.zeros_like(sender),
            torch.zeros_like(weight),
        )
        for pairs, (u, out, slope, scratch) in self._chunks():
            self._add_up(pairs, u, out)
            self.activation.slope(u, out, slope, scratch)
            yield Chunk(pairs, out, slope, u, scratch)
            grad = u.mul_(slope)
            self._collect(pairs, grad)
            if edge_grad is not None and add:
                edge_grad[pairs].addmm_(grad, self.terms.weight)
            elif edge_grad is not None:
                torch.mm(grad, self.terms.weight, out=edge_grad[pairs])

    def norm_grad(
        self, mean_grad: Tensor, mean_product: Tensor, pairs: slice
    ) -> tuple[Tensor, Tensor]:
        """Return the constant and the factor of ``out`` ``[K, 1]`` in the gradient.

        Through the norm, a gradient g of the normalised z becomes
        ``rstd (g - mean(g) - z mean(g z)) = rstd g + constant - factor out``.
        """
        mean, rstd = self.mean[pairs], self.rstd[pairs]
        if self.eps is None:
            return torch.zeros_like(mean), torch.zeros_like(mean)
        factor = mean_product * rstd.square()
        return mean * factor - mean_grad * rstd, factor

    def _chunks(self) -> Iterator[tuple[slice, list[Tensor]]]:
        for start in range(0, len(self.features), self.rows):
            stop = min(start + self.rows, len(self.features))
            yield slice(start, stop), list(self._buffers[:, : stop - start])

    def _add_up(self, pairs: slice, u: Tensor, scratch: Tensor) -> None:
        if self.index is None or self.terms.sender is None:
            torch.addmm(self.terms.receiver, self.features[pairs], self.weight, out=u)
            return
        sender, receiver = self.index
        torch.index_select(self.terms.sender, 0, sender[pairs], out=u)
        torch.index_select(self.terms.receiver, 0, receiver[pairs], out=scratch)
        u.add_(scratch).addmm_(self.features[pairs], self.weight)

    def _collect(self, pairs: slice, grad: Tensor) -> None:
        self.grads.weight.addmm_(grad.t(), self.features[pairs])
        if self.index is None or self.grads.sender is None:
            self.grads.receiver.add_(grad.sum(0))
            return
        sender, receiver = self.index
        self.grads.sender.index_add_(0, sender[pairs], grad)
        self.grads.receiver.index_add_(0, receiver[pairs], grad)
