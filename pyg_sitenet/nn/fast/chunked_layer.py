"""A hidden layer on pairs in PyTorch's own operations, chunk by chunk.

For every device, precision and activation. Chunks are small enough to stay in a core's
cache, and what a backward pass needs is computed once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs, Receivers, Terms

CPU_CHUNK = 2**17
"""Numbers in a chunk a core: four float32 buffers are 2 MB, a core's own cache."""
DEVICE_CHUNK = 2**24


class Chunk(NamedTuple):
    """A chunk of pairs in the backward pass."""

    pairs: slice
    z: Tensor  # [K, C]
    grad: Tensor  # [K, C] of z, to be filled by the caller


class ChunkedLayer(HiddenLayer):
    """Computes z in chunks that all cores share."""

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        super().__init__(inputs, features_grad)
        on_cpu = self.features.rows.device.type == "cpu"
        size = CPU_CHUNK * torch.get_num_threads() if on_cpu else DEVICE_CHUNK
        self._rows = max(1, min(self.num_pairs, size // self.width))
        self._weight = self.terms.weight.t().contiguous()
        self._kind, self._ends = self._count_kinds(self.features.kind)

    def logits(self, weight: Tensor) -> Tensor:
        """Return ``weight @ z`` of each pair, ``[E, H]``."""
        logits = weight.new_empty(len(weight), self.num_pairs)
        for pairs, z in self._forward():
            torch.mm(weight, z.t(), out=logits[:, pairs])
        return logits.t().contiguous()

    def logits_backward(self, weight: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the weight ``[H, C]`` from that of the logits."""
        weight_grad = torch.zeros_like(weight)
        for pairs, z, z_grad in self._backward():
            torch.mm(grad[pairs], weight, out=z_grad)
            weight_grad.addmm_(grad[pairs].t(), z)
        return weight_grad

    def heads(self, alpha: Tensor, receivers: Receivers) -> Tensor:
        """Return sums ``[n_dst, H, C]`` of ``alpha z``, alpha ``[P, H]``."""
        sums = alpha.new_zeros(receivers.num_sites, alpha.size(1), self.width)
        spans = self._spans(receivers.row)
        for (_, z), (span, row) in zip(self._forward(), spans, strict=True):
            z_of_pair = (z if row is None else z[row]).unsqueeze(1)
            sums.index_add_(
                0, receivers.of_pair[span], alpha[span].unsqueeze(-1) * z_of_pair
            )
        return sums

    def heads_backward(
        self, alpha: Tensor, receivers: Receivers, grad: Tensor
    ) -> Tensor:
        """Return the gradient of alpha ``[P, H]`` from that of the sums."""
        alpha_grad = torch.empty_like(alpha)
        spans = self._spans(receivers.row)
        for chunk, (span, row) in zip(self._backward(), spans, strict=True):
            sums = grad[receivers.of_pair[span]]
            z = (chunk.z if row is None else chunk.z[row]).unsqueeze(-1)
            torch.bmm(sums, z, out=alpha_grad[span].unsqueeze(-1))
            weight = alpha[span].unsqueeze(1)
            if row is None:
                torch.bmm(weight, sums, out=chunk.grad.unsqueeze(1))
            else:
                weighted = torch.bmm(weight, sums).squeeze(1)
                chunk.grad.zero_().index_add_(0, row, weighted)
        return alpha_grad

    def rows(self, weight: Tensor, shift: Tensor, *, residual: bool) -> Tensor:
        """Return ``weight z + shift`` of each pair, plus its features if asked."""
        rows = weight.new_empty(self.num_pairs, self.width)
        for pairs, z in self._forward():
            torch.mul(z, weight, out=rows[pairs]).add_(shift)
            if residual:
                features, kind = self.features
                rows[pairs].add_(features[pairs if kind is None else kind[pairs]])
        return rows

    def rows_backward(self, weight: Tensor, grad: Tensor, *, residual: bool) -> Tensor:
        """Return the gradient of the weight ``[C]`` from that of the rows."""
        weight_grad = torch.zeros_like(weight)
        for pairs, z, z_grad in self._backward():
            weight_grad += torch.mul(grad[pairs], z, out=z_grad).sum(0)
            torch.mul(grad[pairs], weight, out=z_grad)
        if residual and self.features_grad is not None:
            kind = self.features.kind
            if kind is None:
                self.features_grad += grad
            else:
                self.features_grad.index_add_(0, kind, grad)
        return weight_grad

    def _forward(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield z ``[K, C]``."""
        for pairs, (u, z) in self._chunks(num_buffers=2):
            self._add_up(pairs, u, z)
            self.activation.forward(u, z)
            self._norm(z)
            yield pairs, z

    def _backward(self) -> Iterator[Chunk]:
        """Yield z, take back its gradient, and collect those of terms and features."""
        receiver, sender, weight = self.terms
        self.grads = Terms(
            torch.zeros_like(receiver),
            None if sender is None else torch.zeros_like(sender),
            torch.zeros_like(weight),
        )
        for pairs, (grad, z, slope, scratch) in self._chunks(num_buffers=4):
            self._add_up(pairs, grad, z)
            self.activation.slope(grad, z, slope, scratch)
            rstd = self._norm(z)
            if rstd is not None:
                slope.mul_(rstd)
            yield Chunk(pairs, z, grad)
            self._pull_back(grad, z, slope, scratch)
            self._add_to_sites(pairs, grad)
            kinds, grad = self._sum_kinds(pairs, grad, scratch)
            self.grads.weight.addmm_(grad.t(), self.features.rows[kinds])
            if self.features_grad is not None:
                self.features_grad[kinds].addmm_(grad, weight)

    def _chunks(self, num_buffers: int) -> Iterator[tuple[slice, list[Tensor]]]:
        shape = (num_buffers, self._rows, self.width)
        buffers = list(self.features.rows.new_empty(shape))
        for start in range(0, self.num_pairs, self._rows):
            stop = min(start + self._rows, self.num_pairs)
            if stop - start < self._rows:
                buffers = [buffer[: stop - start] for buffer in buffers]
            yield slice(start, stop), buffers

    def _count_kinds(
        self, kind: Tensor | None
    ) -> tuple[Tensor | None, list[tuple[int, int]]]:
        """Return the kinds counted from the first of each chunk, and its ends."""
        if kind is None:
            return None, []
        first = kind[:: self._rows]
        last = kind[self._rows - 1 :: self._rows].tolist()
        ends = first.tolist(), [*last, *kind[-1:].tolist()]
        local = kind - first.repeat_interleave(self._rows)[: len(kind)]
        return local, [(start, stop + 1) for start, stop in zip(*ends, strict=False)]

    def _kinds(self, pairs: slice) -> slice:
        """Return the rows of the features of a chunk."""
        return slice(*self._ends[pairs.start // self._rows]) if self._ends else pairs

    def _spans(self, copies: Tensor | None) -> list[tuple[slice, Tensor | None]]:
        """Return, chunk by chunk, the pairs whose rows are in it, and which rows."""
        starts = range(0, self.num_pairs, self._rows)
        if copies is None:
            return [(slice(start, start + self._rows), None) for start in starts]
        first = torch.tensor([*starts, self.num_pairs], device=copies.device)
        ends = torch.searchsorted(copies, first).tolist()
        spans = [slice(*span) for span in pairwise(ends)]
        return [(s, copies[s] - k) for s, k in zip(spans, starts, strict=True)]

    def _sum_kinds(
        self, pairs: slice, grad: Tensor, scratch: Tensor
    ) -> tuple[slice, Tensor]:
        """Add up the rows of the pairs that share features."""
        kinds = self._kinds(pairs)
        if self._kind is None:
            return kinds, grad
        sums = scratch[: kinds.stop - kinds.start].zero_()
        sums.index_add_(0, self._kind[pairs], grad)
        return kinds, sums

    def _add_up(self, pairs: slice, u: Tensor, scratch: Tensor) -> None:
        features = self.features.rows[self._kinds(pairs)]
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
        self.grads.sender.index_add_(0, sender[pairs], grad)
        self.grads.receiver.index_add_(0, receiver[pairs], grad)
