"""A hidden layer on pairs in PyTorch's own fused operations.

For every device, precision and activation: half precision is that of the products, all
other steps are in single. The host is asked for nothing, so a device
that works through a queue never waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.hidden_layer import (
    Affine,
    HiddenLayer,
    Inputs,
    Receivers,
    Terms,
)
from pyg_sitenet.nn.fast.norm import normalise, pull_back

CPU_CHUNK = 2**17
"""Numbers in a chunk a core: four float32 buffers are 2 MB, a core's own cache."""
DEVICE_BYTES = 3 * 2**26
"""Of a buffer elsewhere: 150,000 pairs in one; a backward pass has six, 1.2 GB."""


class Chunk(NamedTuple):
    """Some pairs, and where in the tables theirs are."""

    pairs: slice
    kind: Tensor | None  # [K] row of the features; None: the pairs' own
    sites: tuple[Tensor, ...] | None  # [K] sender and receiver
    copied: Tensor | None  # [K] pairs of the layer that these are copies of

    @property
    def share_of_sums(self) -> int:
        """What sums over chunks begin with: 0 of what is there in the first."""
        return 0 if self.pairs.start == 0 else 1


class DeviceLayer(HiddenLayer):
    """Computes z chunk by chunk, each by few kernels."""

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        super().__init__(inputs, features_grad)
        weight_t = self.terms.weight.t()
        is_cpu = weight_t.device.type == "cpu"
        self._weight_t = weight_t.contiguous() if is_cpu else weight_t

    def logits(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``weight @ z + bias`` of each pair, ``[E, H]``."""
        logits = weight.new_empty(self.num_pairs, len(weight))
        for chunk in self._chunks():
            z, out = self._z(chunk, self._features(chunk)), logits[chunk.pairs]
            if bias is None:
                torch.mm(z, weight.t(), out=out)
            else:
                torch.addmm(bias, z, weight.t(), out=out)
        return logits

    def logits_backward(self, weight: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the weight ``[H, C]`` from that of the logits."""
        weight_grad = torch.empty_like(weight)

        def z_grad(chunk: Chunk, z: Tensor) -> Tensor:
            part = grad[chunk.pairs]
            weight_grad.addmm_(part.t(), z, beta=chunk.share_of_sums)
            return part @ weight

        self.affine_grads = self._run_back(z_grad, self.affine)
        return weight_grad

    def heads(self, alpha: Tensor, receivers: Receivers) -> Tensor:
        """Return sums ``[n_dst, H, C]`` of ``alpha z``, alpha ``[P, H]``."""
        sums = alpha.new_zeros(receivers.num_sites, alpha.size(1), self.width)
        for chunk in self._chunks(receivers.row):
            z = self._z(chunk, self._features(chunk)).unsqueeze(1)
            weighted = alpha[chunk.pairs].unsqueeze(-1) * z
            sums.index_add_(0, receivers.of_pair[chunk.pairs], weighted)
        return sums

    def heads_backward(
        self, alpha: Tensor, receivers: Receivers, grad: Tensor
    ) -> Tensor:
        """Return the gradient of alpha ``[P, H]`` from that of the sums."""
        alpha_grad = torch.empty_like(alpha)

        def z_grad(chunk: Chunk, z: Tensor) -> Tensor:
            pairs = chunk.pairs
            sums = grad.index_select(0, receivers.of_pair[pairs])  # [K, H, C]
            torch.sum(sums * z.unsqueeze(1), dim=-1, out=alpha_grad[pairs])
            return sums.mul_(alpha[pairs].unsqueeze(-1)).sum(1)

        self.affine_grads = self._run_back(z_grad, self.affine, receivers.row)
        return alpha_grad

    def rows(self, weight: Tensor, shift: Tensor, *, residual: bool) -> Tensor:
        """Return ``weight z + shift`` of each pair, plus its features if asked."""
        dtype, parts = self.features.rows.dtype, []
        for chunk in self._chunks():
            features = self._features(chunk)
            part = self._z(chunk, features, Affine(weight, shift))
            parts.append((part.add_(features) if residual else part).to(dtype))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def rows_backward(self, weight: Tensor, grad: Tensor, *, residual: bool) -> Tensor:
        """Return the gradient of the weight ``[C]`` from that of the rows."""

        def z_grad(chunk: Chunk, _: Tensor) -> Tensor:
            return grad[chunk.pairs].to(self.exact)

        weight_grad = self._run_back(z_grad, Affine(weight)).factor
        if residual:
            self._add_residual(grad)
        return torch.zeros_like(weight) if weight_grad is None else weight_grad

    def _chunks(self, copies: Tensor | None = None) -> Iterator[Chunk]:
        """Yield the pairs, or those that are copies of them: ``[P]`` which."""
        kind, sites, number = self.features.kind, self.index, self.num_pairs
        if copies is not None:
            kind = copies if kind is None else kind[copies]
            sites = None if sites is None else tuple(site[copies] for site in sites)
            number = len(copies)
        rows = self._rows_of_a_chunk()
        for start in range(0, max(number, 1), rows):  # sums of none are zeros
            pairs = slice(start, min(start + rows, number))
            yield Chunk(
                pairs,
                None if kind is None else kind[pairs],
                None if sites is None else tuple(site[pairs] for site in sites),
                None if copies is None else copies[pairs],
            )

    def _rows_of_a_chunk(self) -> int:
        return pairs_of_a_chunk(self.features.rows.device, self.exact, self.width)

    def _features(self, chunk: Chunk) -> Tensor:
        rows, kind = self.features.rows, chunk.kind
        return rows[chunk.pairs] if kind is None else rows.index_select(0, kind)

    def _u(self, chunk: Chunk, features: Tensor) -> Tensor:
        """Return what the activation is taken of, ``[K, C]``."""
        u = self._sum_of_sites(chunk)
        if u is None:
            u = torch.addmm(self.terms.receiver, features, self._weight_t)
        else:
            u.addmm_(features, self._weight_t)
        return u.to(self.exact)

    def _sum_of_sites(self, chunk: Chunk) -> Tensor | None:
        """Return the terms of both sites, ``[K, C]``, if there are any."""
        receiver, sender, _ = self.terms
        if chunk.sites is None or sender is None:
            return None
        u = sender.index_select(0, chunk.sites[0])
        u += receiver.index_select(0, chunk.sites[1])
        return u

    def _z(
        self, chunk: Chunk, features: Tensor, affine: Affine | None = None
    ) -> Tensor:
        a = self.activation.forward(self._u(chunk, features))
        return normalise(a, affine or self.affine, self.eps)[0]

    def _run_back(
        self,
        z_grad: Callable[[Chunk, Tensor], Tensor],
        affine: Affine,
        copies: Tensor | None = None,
    ) -> Affine:
        """Fill :attr:`grads`, add to those of the features, return those of the norm.

        Args:
            z_grad: From pairs and their z to the gradient of z.
            affine: What the norm does last.
            copies: As :meth:`_chunks` takes them.
        """
        self.grads, sums = self._empty_grads(), Affine()
        for chunk in self._chunks(copies):
            features = self._features(chunk)
            a, pull = self.activation.with_pull(self._u(chunk, features))
            z, moments = normalise(a, affine, self.eps)
            grad, parts = pull_back(z_grad(chunk, z), a, moments, affine)
            sums = Affine(*map(_added, sums, parts))
            self._add_up(chunk, features, pull(grad))
        return sums

    def _empty_grads(self) -> Terms:
        """Return what gradients of terms are added to, that of the weight unfilled."""
        receiver, sender, weight = self.terms
        return Terms(
            torch.zeros_like(receiver, dtype=self.exact),
            None if sender is None else torch.zeros_like(sender, dtype=self.exact),
            torch.empty_like(weight, dtype=self.exact),
        )

    def _add_up(self, chunk: Chunk, features: Tensor, grad: Tensor) -> None:
        """Add the gradient of u to those of all that it was made of."""
        if chunk.sites is None or self.grads.sender is None:
            self.grads.receiver.add_(grad.sum(0))
        else:
            self.grads.sender.index_add_(0, chunk.sites[0], grad)
            self.grads.receiver.index_add_(0, chunk.sites[1], grad)
        self._add_to_features(chunk, features, grad.to(features.dtype))

    def _add_to_features(self, chunk: Chunk, features: Tensor, grad: Tensor) -> None:
        """Add the gradient of u to those of the weight and of the features."""
        weight, share = self.terms.weight, chunk.share_of_sums
        if self.exact == features.dtype:
            self.grads.weight.addmm_(grad.t(), features, beta=share)
        elif share == 0:
            self.grads.weight.copy_(grad.t() @ features)
        else:
            self.grads.weight.add_(grad.t() @ features)
        if self.features_grad is None:
            return
        if chunk.kind is not None:
            product = (grad @ weight).to(self.exact)
            self.features_grad.index_add_(0, chunk.kind, product)
        elif self.exact == features.dtype:
            self.features_grad[chunk.pairs].addmm_(grad, weight)
        else:
            self.features_grad[chunk.pairs] += grad @ weight

    def _add_residual(self, grad: Tensor) -> None:
        """Add the gradient of the rows to that of the features, ``[E, C]``."""
        if self.features_grad is None:
            return
        if self.features.kind is None:
            self.features_grad += grad
        else:
            grad = grad.to(self.exact)
            self.features_grad.index_add_(0, self.features.kind, grad)


def pairs_of_a_chunk(device: torch.device, dtype: torch.dtype, width: int) -> int:
    """Return how many pairs a chunk has, ``width`` numbers each."""
    numbers = DEVICE_BYTES // dtype.itemsize
    if device.type == "cpu":
        numbers = CPU_CHUNK * torch.get_num_threads()
    return max(1, numbers // width)


def _added(total: Tensor | None, part: Tensor | None) -> Tensor | None:
    return part if total is None or part is None else total.add_(part)
