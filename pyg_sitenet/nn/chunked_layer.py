"""Layers on pairs, worked through in chunks of pairs that stay in the cache.

A layer on pairs is cheap to compute and dear to store: 225 numbers a pair. So a chunk
of pairs goes through all steps while it is in the cache, and the backward pass computes
it again, unless it is among the first chunks, which are kept. There is no padding and
no order that the pairs must have. Where pairs share features, the weight is applied to
the features of a chunk once, not once a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sitenet.nn.chunk_activations import Activation

CPU_CHUNK = 2**17
"""Numbers in a chunk a core: four float32 buffers are 2 MB, a core's own cache."""
DEVICE_CHUNK = 2**24
KEPT = 2**23
"""Numbers that a layer keeps for its backward pass: 32 MB in float32."""


class Terms(NamedTuple):
    """What a layer adds up before its activation: tensors that may have gradients."""

    receiver: Tensor  # [n_dst, C], added by receiver; or a bias [C]
    sender: Tensor | None  # [n_src, C], added by sender
    weight: Tensor  # [C, D], applied to the features of a pair


class Features(NamedTuple):
    """Features of pairs, each kind once."""

    rows: Tensor  # [U, D]
    kind: Tensor | None  # [E] row of each pair, rising by steps of 1 or 0; None: E = U

    def of_pairs(self, pairs: slice) -> Tensor:
        """Return the features of each pair, ``[K, D]``."""
        return self.rows[pairs] if self.kind is None else self.rows[self.kind[pairs]]

    @property
    def num_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.rows if self.kind is None else self.kind)


Kept = dict[tuple[int, int], tuple[Tensor, Tensor]]
"""From which to which pair a chunk goes: its z ``[K, C]`` and slope ``[K, C]``."""


class Chunk(NamedTuple):
    """A chunk of pairs in the backward pass."""

    pairs: slice
    z: Tensor  # [K, C]
    grad: Tensor  # [K, C] of z, to be filled by the caller


class ChunkedLayer:
    """``z = norm(activation(terms))`` of each pair, chunk by chunk.

    The norm is a layer norm without factor and shift.

    Args:
        terms: What is added up.
        features: Features of the pairs.
        index: Sender and receiver of each pair ``[2, E]``; ``None`` if the terms have
            no sender.
        activation: Of the layer.
        eps: Of the norm; ``None`` leaves it out.
    """

    def __init__(
        self,
        terms: Terms,
        features: Features,
        index: Tensor | None,
        activation: Activation,
        eps: float | None,
    ) -> None:
        self.terms, self.features = terms, features.rows
        self.index = None if index is None else index.unbind()
        self.activation, self.eps = activation, eps
        self.width = self.channels = terms.weight.size(0)
        self.num_pairs = features.num_pairs
        on_cpu = features.rows.device.type == "cpu"
        size = CPU_CHUNK * torch.get_num_threads() if on_cpu else DEVICE_CHUNK
        self.rows = max(1, min(self.num_pairs, size // self.width))
        self.kept: Kept = {}
        self._weight = terms.weight.t().contiguous()
        self._kind, self._ends = self._count_kinds(features.kind)

    def forward(self, *, keep: bool = False) -> Iterator[tuple[slice, Tensor]]:
        """Yield z ``[K, C]``; with ``keep``, fill :attr:`kept` for a backward pass."""
        room = KEPT // (2 * self.rows * self.width) if keep else 0
        for pairs, (u, z) in self._chunks(num_buffers=2):
            if len(self.kept) < room:
                scratch, z, slope = z, torch.empty_like(z), torch.empty_like(z)
                self._differentiate(pairs, u, z, slope, scratch)
                self.kept[pairs.start, pairs.stop] = z, slope
            else:
                self._normalise(pairs, u, z)
            yield pairs, z[:, : self.channels]

    def backward(self, edge_grad: Tensor | None, *, add: bool) -> Iterator[Chunk]:
        """Yield z, take back its gradient, and collect :attr:`grads` of the terms.

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
        if edge_grad is not None and not add and self._kind is not None:
            edge_grad, add = edge_grad.zero_(), True  # chunks may share a row
        for pairs, (grad, z, slope, scratch) in self._chunks(num_buffers=4):
            found = self.kept.get((pairs.start, pairs.stop))
            if found is not None:
                z, slope = found
            else:
                self._differentiate(pairs, grad, z, slope, scratch)
            yield Chunk(pairs, z[:, : self.channels], grad[:, : self.channels])
            self._pull_back(grad, z, slope, scratch)
            self._add_to_sites(pairs, grad)
            kinds, grad = self._sum_kinds(pairs, grad, scratch)
            self.grads.weight.addmm_(grad.t(), self.features[kinds])
            if edge_grad is not None and add:
                edge_grad[kinds].addmm_(grad, weight)
            elif edge_grad is not None:
                torch.mm(grad, weight, out=edge_grad[kinds])

    def zero_sums(self, num_receivers: int, heads: int) -> Tensor:
        """Return where :meth:`add_heads` adds up, ``[n_dst, H, C]``."""
        return self.features.new_zeros(num_receivers, heads, self.channels)

    def add_heads(
        self,
        z: Tensor,
        row: Tensor | None,
        alpha: Tensor,
        receiver: Tensor,
        sums: Tensor,
    ) -> None:
        """Add the z of a chunk, weighted by attention, to ``sums``.

        Args:
            z: Of the chunk ``[K, C]``.
            row: Row of z of each pair ``[P]``; ``None``: each its own.
            alpha: Attention weights ``[P, H]``.
            receiver: Receivers ``[P]``.
            sums: As of :meth:`zero_sums`.
        """
        z = (z if row is None else z[row]).unsqueeze(1)
        sums.index_add_(0, receiver, alpha.unsqueeze(-1) * z)

    def pull_back_heads(
        self,
        chunk: Chunk,
        row: Tensor | None,
        alpha: Tensor,
        receiver: Tensor,
        sums_grad: Tensor,
        alpha_grad: Tensor,
    ) -> None:
        """Fill ``chunk.grad`` and ``alpha_grad`` from the gradient of the sums."""
        sums = sums_grad[receiver]
        z = (chunk.z if row is None else chunk.z[row]).unsqueeze(-1)
        torch.bmm(sums, z, out=alpha_grad.unsqueeze(-1))
        if row is None:
            torch.bmm(alpha.unsqueeze(1), sums, out=chunk.grad.unsqueeze(1))
        else:
            weighted = torch.bmm(alpha.unsqueeze(1), sums).squeeze(1)
            chunk.grad.zero_().index_add_(0, row, weighted)

    def _chunks(self, num_buffers: int) -> Iterator[tuple[slice, list[Tensor]]]:
        shape = (num_buffers, self.rows, self.width)
        buffers = list(self.features.new_empty(shape))
        for start in range(0, self.num_pairs, self.rows):
            stop = min(start + self.rows, self.num_pairs)
            if stop - start < self.rows:
                buffers = [buffer[: stop - start] for buffer in buffers]
            yield slice(start, stop), buffers

    def _normalise(self, pairs: slice, u: Tensor, z: Tensor) -> None:
        self._add_up(pairs, u, z)
        self.activation.forward(u, z)
        self._norm(z)

    def _differentiate(
        self, pairs: slice, u: Tensor, z: Tensor, slope: Tensor, scratch: Tensor
    ) -> None:
        self._add_up(pairs, u, z)
        self.activation.slope(u, z, slope, scratch)
        rstd = self._norm(z)
        if rstd is not None:
            slope.mul_(rstd)

    def _count_kinds(
        self, kind: Tensor | None
    ) -> tuple[Tensor | None, list[tuple[int, int]]]:
        """Return the kinds counted from the first of each chunk, and its ends."""
        if kind is None:
            return None, []
        first = kind[:: self.rows]
        last = kind[self.rows - 1 :: self.rows].tolist()
        ends = first.tolist(), [*last, *kind[-1:].tolist()]
        local = kind - first.repeat_interleave(self.rows)[: len(kind)]
        return local, [(start, stop + 1) for start, stop in zip(*ends, strict=False)]

    def _kinds(self, pairs: slice) -> slice:
        """Return the rows of the features of a chunk."""
        return slice(*self._ends[pairs.start // self.rows]) if self._ends else pairs

    def _sum_kinds(
        self, pairs: slice, grad: Tensor, scratch: Tensor
    ) -> tuple[slice, Tensor]:
        """Add up the rows of the pairs that share features."""
        kinds = self._kinds(pairs)
        if self._kind is None:
            return kinds, grad
        sums = scratch[: kinds.stop - kinds.start].zero_()
        self._add_rows(grad, self._kind[pairs], sums)
        return kinds, sums

    def _add_up(self, pairs: slice, u: Tensor, scratch: Tensor) -> None:
        features = self.features[self._kinds(pairs)]
        if self._kind is not None:
            product = torch.mm(features, self._weight, out=scratch[: len(features)])
            torch.index_select(product, 0, self._kind[pairs], out=u)
        else:
            torch.mm(features, self._weight, out=u)
        if self.index is None or self.terms.sender is None:
            u.add_(self.terms.receiver)
            return
        sender, receiver = self.index
        u.add_(torch.index_select(self.terms.sender, 0, sender[pairs], out=scratch))
        u.add_(torch.index_select(self.terms.receiver, 0, receiver[pairs], out=scratch))

    def _norm(self, z: Tensor) -> Tensor | None:
        """Normalise in place and return the factor, ``[K, 1]``."""
        if self.eps is None:
            return None
        z.sub_(z.mean(dim=1, keepdim=True))
        squares = torch.linalg.vector_norm(z, dim=1, keepdim=True).square_()
        rstd: Tensor = squares.div_(self.width).add_(self.eps).rsqrt_()
        z.mul_(rstd)
        return rstd

    def _pull_back(
        self, grad: Tensor, z: Tensor, slope: Tensor, scratch: Tensor
    ) -> None:
        """Bring the gradient back through norm and activation, in place."""
        if self.eps is not None:
            product = torch.mul(grad, z, out=scratch).mean(dim=1, keepdim=True)
            grad.sub_(grad.mean(dim=1, keepdim=True)).addcmul_(z, product, value=-1)
        grad.mul_(slope)

    def _add_to_sites(self, pairs: slice, grad: Tensor) -> None:
        if self.index is None or self.grads.sender is None:
            self.grads.receiver.add_(grad.sum(0))
            return
        sender, receiver = self.index
        self._add_rows(grad, sender[pairs], self.grads.sender)
        self._add_rows(grad, receiver[pairs], self.grads.receiver)

    def _add_rows(self, grad: Tensor, index: Tensor, table: Tensor) -> None:
        table.index_add_(0, index, grad)
