"""The steps of a chunk in compiled form, where there is a C compiler to make it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pyg_sitenet.nn.chunk_activations import ACTIVATIONS, Activation
from pyg_sitenet.nn.chunked_layer import (
    Chunk,
    ChunkedLayer,
    Features,
    Terms,
)
from pyg_sitenet.nn.kernels import load_kernels, run_kernel

_VECTOR = 16


def make_chunked_layer(
    terms: Terms,
    features: Features,
    index: Tensor | None,
    activation: Activation,
    eps: float | None,
) -> ChunkedLayer:
    """Return the fastest form for these inputs, those of :class:`ChunkedLayer`."""
    if (
        features.rows.device.type == "cpu"
        and features.rows.dtype == torch.float32
        and activation is ACTIVATIONS[nn.Mish]
        and eps is not None
        and load_kernels() is not None
    ):
        return NativeChunkedLayer(terms, features, index, activation, eps)
    return ChunkedLayer(terms, features, index, activation, eps)


class NativeChunkedLayer(ChunkedLayer):
    """Float32 mish layers with a norm, on the CPU."""

    def __init__(
        self,
        terms: Terms,
        features: Features,
        index: Tensor | None,
        activation: Activation,
        eps: float | None,
    ) -> None:
        channels = terms.weight.size(0)
        receiver, sender, weight = terms
        sender = None if sender is None else _fill_up(sender)
        terms = Terms(_fill_up(receiver), sender, _fill_up(weight.t()).t())
        super().__init__(terms, features, index, activation, eps)
        self.channels = channels
        self._check_index()

    def backward(self, edge_grad: Tensor | None, *, add: bool) -> Iterator[Chunk]:
        """As in the other form; what filled up the rows is taken off in the end."""
        yield from super().backward(edge_grad, add=add)
        receiver, sender, weight = self.grads
        self.grads = Terms(
            receiver[..., : self.channels],
            None if sender is None else sender[:, : self.channels],
            weight[: self.channels],
        )

    def zero_sums(self, num_receivers: int, heads: int) -> Tensor:
        """Return sums whose rows are filled up, seen without that."""
        sums = self.features.new_zeros(num_receivers, heads, self.width)
        return sums[..., : self.channels]

    def add_heads(
        self,
        z: Tensor,
        row: Tensor | None,
        alpha: Tensor,
        receiver: Tensor,
        sums: Tensor,
    ) -> None:
        """Add to tensors of :meth:`zero_sums`."""
        sizes = (*alpha.shape, self.width)
        run_kernel("add_heads", z, alpha, row, receiver, sums, *sizes)

    def pull_back_heads(
        self,
        chunk: Chunk,
        row: Tensor | None,
        alpha: Tensor,
        receiver: Tensor,
        sums_grad: Tensor,
        alpha_grad: Tensor,
    ) -> None:
        """Take a gradient in a tensor of :meth:`zero_sums`."""
        z, grad = chunk.z, chunk.grad.zero_()
        tensors = (z, alpha, row, receiver, sums_grad, grad, alpha_grad)
        run_kernel("pull_back_heads", *tensors, *alpha.shape, self.width)

    def _check_index(self) -> None:
        # Compiled code would read beyond the tensors without a word.
        if self.index is None or self.terms.sender is None or self.num_pairs == 0:
            return
        tables = (self.terms.sender, self.terms.receiver)
        for part, table in zip(self.index, tables, strict=True):
            low, high = (int(end) for end in part.aminmax())
            if low < 0 or high >= len(table):
                raise IndexError(
                    f"index out of range: `edge_index` must be from 0 to "
                    f"{len(table) - 1}, got {low} to {high}"
                )

    def _normalise(self, pairs: slice, u: Tensor, z: Tensor) -> None:
        terms = self._multiply(pairs, z, u)
        run_kernel("normalise", z, *terms, *self._sizes(z), self.eps)

    def _differentiate(
        self,
        pairs: slice,
        u: Tensor,
        z: Tensor,
        slope: Tensor,
        scratch: Tensor,  # noqa: ARG002
    ) -> None:
        terms = self._multiply(pairs, z, u)
        run_kernel("differentiate", z, *terms, slope, *self._sizes(z), self.eps)

    def _multiply(
        self, pairs: slice, z: Tensor, scratch: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Apply the weight, and return what the kernels add up with it."""
        kinds, product, kind = self._kinds(pairs), z, None
        if self._kind is not None:
            product, kind = scratch[: kinds.stop - kinds.start], self._kind[pairs]
        torch.mm(self.features[kinds], self._weight, out=product)
        receiver, sender, _ = self.terms
        index = (None, None) if self.index is None else (i[pairs] for i in self.index)
        return product, sender, receiver, kind, *index

    def _pull_back(
        self,
        grad: Tensor,
        z: Tensor,
        slope: Tensor,
        scratch: Tensor,  # noqa: ARG002
    ) -> None:
        run_kernel("pull_back", grad, z, slope, *self._sizes(z))

    def _add_rows(self, grad: Tensor, index: Tensor, table: Tensor) -> None:
        run_kernel("add_rows", grad, index, table, *grad.shape)

    def _sizes(self, rows: Tensor) -> tuple[int, int, int]:
        return len(rows), self.channels, self.width


def _fill_up(rows: Tensor) -> Tensor:
    """Fill rows up with zeros to whole vectors."""
    return nn.functional.pad(rows, (0, -rows.size(-1) % _VECTOR)).contiguous()
