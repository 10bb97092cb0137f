"""A hidden layer on pairs in Triton's kernels, around the products of cuBLAS.

Of each chunk, cuBLAS multiplies the features by the weight; one kernel reads the
product once and does all the rest. In the backward pass it writes the gradient over
the product, and cuBLAS makes those of weight and features from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast.device_layer import Chunk, DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import Inputs, Receivers, Terms
from pyg_sitenet.nn.fast.triton import kernels
from pyg_sitenet.nn.fast.triton.available import on_device
from pyg_sitenet.nn.fast.triton.tiles import ALIGNMENT, tile_sizes, warps

_NUMBERS = {
    nn.functional.mish: kernels.MISH,
    nn.functional.silu: kernels.SILU,
    nn.functional.relu: kernels.RELU,
}
Argument: TypeAlias = Tensor | int | None


class TritonLayer(DeviceLayer):
    """Computes z in tiles that stay in a GPU's registers."""

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        super().__init__(inputs, features_grad)
        receiver, sender, weight = self.terms
        sender = None if self.index is None or sender is None else _fill_up(sender)
        self._filled = Terms(_fill_up(receiver), sender, _fill_up(weight.t()))
        self._sizes = tile_sizes(self.width)
        act = _NUMBERS[self.activation.plain]  # type: ignore[index]
        self._meta = {"EPS": self.eps, "ACT": act, **self._sizes}
        self._product: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """The weight of the features, filled up, ``[D, CS]``."""
        return self._filled.weight

    def take_product(self, product: Tensor) -> None:
        """Take the product of all pairs, ``[E, CS]``, as it was made elsewhere.

        A backward pass leaves the gradient there, and those of weight and features to
        others.
        """
        self._product = product
        self._meta["PS"] = product.stride(0)

    def logits(self, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``weight @ z + bias`` of each pair, ``[E, H]``."""
        weight = self._as_exact(weight)
        logits = weight.new_empty(self.num_pairs, len(weight))
        for chunk, _, product in self._products():
            self._launch(kernels.logits, chunk, product, logits[chunk.pairs], weight,
                         H=len(weight))  # fmt: skip
        return logits if bias is None else logits.add_(bias)

    def logits_backward(self, weight: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient of the weight ``[H, C]`` from that of the logits."""
        weight, grad = self._as_exact(weight), self._as_exact(grad)
        parts = weight.new_zeros(kernels.PARTS.value, *weight.shape)
        for chunk, product in self._products_back():
            self._launch_back(
                kernels.logits_backward, chunk, product, grad[chunk.pairs], weight,
                parts, H=len(weight),
            )  # fmt: skip
        return parts.sum(0)

    def heads(self, alpha: Tensor, receivers: Receivers) -> Tensor:
        """Return sums ``[n_dst, H, C]`` of ``alpha z``, alpha ``[P, H]``."""
        alpha, place = self._as_exact(alpha), receivers.of_pair.contiguous()
        places, heads = receivers.num_sites, alpha.size(1)
        sums = alpha.new_zeros(places, heads, self._sizes["CS"])
        for chunk, _, product in self._products(receivers.row):
            self._launch(kernels.heads, chunk, product, sums, alpha[chunk.pairs],
                         place[chunk.pairs], places, H=heads)  # fmt: skip
        return sums[..., : self.width]

    def heads_backward(
        self, alpha: Tensor, receivers: Receivers, grad: Tensor
    ) -> Tensor:
        """Return the gradient of alpha ``[P, H]`` from that of the sums."""
        alpha, place = self._as_exact(alpha), receivers.of_pair.contiguous()
        alpha_grad, grad = torch.empty_like(alpha), _fill_up(self._as_exact(grad))
        for chunk, product in self._products_back(receivers.row):
            self._launch_back(
                kernels.heads_backward, chunk, product, grad, alpha[chunk.pairs],
                alpha_grad[chunk.pairs], place[chunk.pairs], receivers.num_sites,
                H=alpha.size(1),
            )  # fmt: skip
        return alpha_grad

    def rows(self, weight: Tensor, shift: Tensor, *, residual: bool) -> Tensor:
        """Return ``weight z + shift`` of each pair, plus its features if asked."""
        rows = self.features.rows.new_empty(self.num_pairs, self.width)
        weight, shift = self._as_exact(weight), self._as_exact(shift)
        for chunk, features, product in self._products():
            self._launch(kernels.rows, chunk, product, rows[chunk.pairs], weight, shift,
                         features.contiguous() if residual else None)  # fmt: skip
        return rows

    def rows_backward(self, weight: Tensor, grad: Tensor, *, residual: bool) -> Tensor:
        """Return the gradient of the weight ``[C]`` from that of the rows."""
        weight, grad = self._as_exact(weight), grad.contiguous()
        parts = weight.new_zeros(kernels.PARTS.value, *weight.shape)
        for chunk, product in self._products_back():
            self._launch_back(kernels.rows_backward, chunk, product, grad[chunk.pairs],
                              weight, parts)  # fmt: skip
        if residual:
            self._add_residual(grad)
        return parts.sum(0)

    def _rows_of_a_chunk(self) -> int:
        rows = super()._rows_of_a_chunk()
        return rows - rows % ALIGNMENT if rows > ALIGNMENT else rows

    def _products(
        self, copies: Tensor | None = None
    ) -> Iterator[tuple[Chunk, Tensor, Tensor]]:
        """Yield chunks, their features and those times the weight, ``[K, CS]``."""
        for chunk in self._chunks(copies):
            features = self._features(chunk)
            if self._product is None:
                yield chunk, features, features @ self._filled.weight
            else:
                yield chunk, features, self._product[chunk.pairs]

    def _products_back(
        self, copies: Tensor | None = None
    ) -> Iterator[tuple[Chunk, Tensor]]:
        """Yield chunks and products, which a kernel makes gradients, and use these."""
        receiver, sender, _ = self._filled
        r_sums = torch.zeros_like(receiver, dtype=self.exact)
        s_sums = None if sender is None else torch.zeros_like(sender, dtype=self.exact)
        self._sums = r_sums, s_sums
        self.grads = Terms(
            r_sums[..., : self.width],
            None if s_sums is None else s_sums[:, : self.width],
            torch.zeros_like(self.terms.weight, dtype=self.exact),
        )
        for chunk, features, product in self._products(copies):
            yield chunk, product
            if self._product is not None:
                continue
            grad = product[:, : self.width]
            if sender is None:
                self.grads.receiver.add_(grad.sum(0, dtype=self.exact))
            self._add_to_features(chunk, features, grad)

    def _launch(
        self,
        kernel: Any,  # noqa: ANN401 - of triton
        chunk: Chunk,
        product: Tensor,
        *arguments: Argument,
        num_warps: int | None = None,
        **meta: int,
    ) -> None:
        receiver, sender, _ = self._filled
        sites = (None, None) if sender is None else chunk.sites or (None, None)
        counts = (len(product), len(receiver), 0 if sender is None else len(sender))
        with on_device(product.device):
            kernel[(self._tiles(product),)](
                product, receiver, sender, sites[1], sites[0], *counts, *arguments,
                **self._meta, **meta, num_warps=num_warps or warps(),
            )  # fmt: skip

    def _launch_back(
        self,
        kernel: Any,  # noqa: ANN401 - of triton
        chunk: Chunk,
        product: Tensor,
        *arguments: Argument,
        **meta: int,
    ) -> None:
        number = warps(self._sizes["CP"])
        self._launch(kernel, chunk, product, *self._sums, *arguments, **meta,
                     num_warps=number)  # fmt: skip

    def _tiles(self, product: Tensor) -> int:
        return -(-len(product) // self._sizes["BP"])

    def _as_exact(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.exact).contiguous()


def _fill_up(rows: Tensor) -> Tensor:
    """Fill rows up with zeros to a length that can be loaded in wide pieces."""
    return nn.functional.pad(rows, (0, -rows.size(-1) % ALIGNMENT)).contiguous()
