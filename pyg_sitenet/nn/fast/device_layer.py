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

from pyg_sitenet.nn.fast.hidden_layer import HiddenLayer, Inputs, Receivers, Terms

CPU_CHUNK = 2**17
"""Numbers in a chunk a core: four float32 buffers are 2 MB, a core's own cache."""
DEVICE_BYTES = 3 * 2**26
"""Of a buffer elsewhere: 150,000 pairs in one; a backward pass has six, 1.2 GB."""
_INPUT_ALONE = [True, False, False]  # of the gradients that a norm can return


class Chunk(NamedTuple):
    """Some pairs, and where in the tables theirs are."""

    pairs: slice
    kind: Tensor | None  # [K] row of the features; None: the pairs' own
    sites: tuple[Tensor, ...] | None  # [K] sender and receiver


class DeviceLayer(HiddenLayer):
    """Computes z chunk by chunk, each by few kernels."""

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        super().__init__(inputs, features_grad)
        self._weight_t = self.terms.weight.t().contiguous()

    def logits(self, weight: Tensor) -> Tensor:
        """Return ``weight @ z`` of each pair, ``[E, H]``."""
        logits = weight.new_empty(self.num_pairs, len(weight))
        for chunk in self._chunks():
            z = self._z(chunk, self._features(chunk))
            torch.mm(z, weight.t(), out=logits[chunk.pairs])
        return logits

    def logits_backward(self, weight: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the weight ``[H, C]`` from that of the logits."""
        weight_grad = torch.zeros_like(weight)

        def z_grad(pairs: slice, z: Tensor) -> Tensor:
            weight_grad.addmm_(grad[pairs].t(), z)
            return grad[pairs] @ weight

        self._run_back(z_grad)
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

        def z_grad(pairs: slice, z: Tensor) -> Tensor:
            sums = grad.index_select(0, receivers.of_pair[pairs])  # [K, H, C]
            torch.sum(sums * z.unsqueeze(1), dim=-1, out=alpha_grad[pairs])
            return sums.mul_(alpha[pairs].unsqueeze(-1)).sum(1)

        self._run_back(z_grad, receivers.row)
        return alpha_grad

    def rows(self, weight: Tensor, shift: Tensor, *, residual: bool) -> Tensor:
        """Return ``weight z + shift`` of each pair, plus its features if asked."""
        rows = self.features.rows.new_empty(self.num_pairs, self.width)
        for chunk in self._chunks():
            features = self._features(chunk)
            part = rows[chunk.pairs]
            torch.addcmul(shift, self._z(chunk, features), weight, out=part)
            if residual:
                part += features
        return rows

    def rows_backward(self, weight: Tensor, grad: Tensor, *, residual: bool) -> Tensor:
        """Return the gradient of the weight ``[C]`` from that of the rows."""
        weight_grad = torch.zeros_like(weight)

        def z_grad(pairs: slice, z: Tensor) -> Tensor:
            weight_grad.add_((grad[pairs] * z).sum(0))  # in single precision, as z is
            return grad[pairs] * weight

        self._run_back(z_grad)
        if residual:
            self._add_residual(grad)
        return weight_grad

    def _chunks(self, copies: Tensor | None = None) -> Iterator[Chunk]:
        """Yield the pairs, or those that are copies of them: ``[P]`` which."""
        kind, sites, number = self.features.kind, self.index, self.num_pairs
        if copies is not None:
            kind = copies if kind is None else kind[copies]
            sites = None if sites is None else tuple(site[copies] for site in sites)
            number = len(copies)
        rows = self._rows_of_a_chunk()
        for start in range(0, number, rows):
            pairs = slice(start, min(start + rows, number))
            yield Chunk(
                pairs,
                None if kind is None else kind[pairs],
                None if sites is None else tuple(site[pairs] for site in sites),
            )

    def _rows_of_a_chunk(self) -> int:
        rows = self.features.rows
        if rows.device.type == "cpu":
            numbers = CPU_CHUNK * torch.get_num_threads()
        else:
            numbers = DEVICE_BYTES // self.exact.itemsize
        return max(1, numbers // self.width)

    def _features(self, chunk: Chunk) -> Tensor:
        rows, kind = self.features.rows, chunk.kind
        return rows[chunk.pairs] if kind is None else rows.index_select(0, kind)

    def _u(self, chunk: Chunk, features: Tensor) -> Tensor:
        """Return what the activation is taken of, ``[K, C]``."""
        receiver, sender, _ = self.terms
        if chunk.sites is None or sender is None:
            return torch.addmm(receiver, features, self._weight_t).to(self.exact)
        u = sender.index_select(0, chunk.sites[0])
        u += receiver.index_select(0, chunk.sites[1])
        return u.addmm_(features, self._weight_t).to(self.exact)

    def _z(self, chunk: Chunk, features: Tensor) -> Tensor:
        a = self.activation.forward(self._u(chunk, features))
        return a if self.eps is None else self._norm(a, self.eps)[0]

    def _norm(self, a: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return z, and mean and factor of each row."""
        return torch.native_layer_norm(a, [self.width], None, None, eps)

    def _run_back(
        self, z_grad: Callable[[slice, Tensor], Tensor], copies: Tensor | None = None
    ) -> None:
        """Fill :attr:`grads` and add to those of the features.

        Args:
            z_grad: From pairs and their z to the gradient of z.
            copies: As :meth:`_chunks` takes them.
        """
        receiver, sender, weight = self.terms
        self.grads = Terms(
            torch.zeros_like(receiver, dtype=self.exact),
            None if sender is None else torch.zeros_like(sender, dtype=self.exact),
            torch.zeros_like(weight, dtype=self.exact),
        )
        for chunk in self._chunks(copies):
            features = self._features(chunk)
            a, pull = self.activation.with_pull(self._u(chunk, features))
            if self.eps is None:
                grad = pull(z_grad(chunk.pairs, a))
            else:
                z, *moments = self._norm(a, self.eps)
                grad = torch.ops.aten.native_layer_norm_backward(
                    z_grad(chunk.pairs, z), a, [self.width], *moments,
                    None, None, _INPUT_ALONE,
                )[0]  # fmt: skip
                grad = pull(grad)
            self._add_up(chunk, features, grad)

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
        weight = self.terms.weight
        if self.exact == features.dtype:
            self.grads.weight.addmm_(grad.t(), features)
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
