"""The steps of a chunk in compiled form, where there is a C compiler to make it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pyg_sitenet.nn.chunked_layer import (
    ACTIVATIONS,
    Activation,
    Chunk,
    ChunkedLayer,
    Terms,
)
from pyg_sitenet.nn.kernels import load_kernels, run_kernel

_VECTOR = 16


def make_chunked_layer(
    terms: Terms,
    features: Tensor,
    index: Tensor | None,
    activation: Activation,
    eps: float | None,
) -> ChunkedLayer:
    """Return the fastest form for these inputs, those of :class:`ChunkedLayer`."""
    if (
        features.device.type == "cpu"
        and features.dtype == torch.float32
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
        features: Tensor,
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
        self, z: Tensor, alpha: Tensor, receiver: Tensor, sums: Tensor
    ) -> None:
        """Add to tensors of :meth:`zero_sums`."""
        run_kernel("add_heads", z, alpha, receiver, sums, *alpha.shape, self.width)

    def pull_back_heads(
        self,
        chunk: Chunk,
        alpha: Tensor,
        receiver: Tensor,
        sums_grad: Tensor,
        alpha_grad: Tensor,
    ) -> None:
        """Take a gradient in a tensor of :meth:`zero_sums`."""
        tensors = (chunk.z, alpha, receiver, sums_grad, alpha_grad, chunk.grad)
        run_kernel("pull_back_heads", *tensors, *alpha.shape, self.width)

    def _check_index(self) -> None:
        # Compiled code would read beyond the tensors without a word.
        if self.index is None or self.terms.sender is None or len(self.features) == 0:
            return
        tables = (self.terms.sender, self.terms.receiver)
        for part, table in zip(self.index, tables, strict=True):
            low, high = (int(end) for end in part.aminmax())
            if low < 0 or high >= len(table):
                raise IndexError(
                    f"index out of range: `edge_index` must be from 0 to "
                    f"{len(table) - 1}, got {low} to {high}"
                )

    def _normalise(self, pairs: slice, u: Tensor, z: Tensor) -> None:  # noqa: ARG002
        torch.mm(self.features[pairs], self._weight, out=z)
        run_kernel("normalise", z, *self._sites(pairs), *self._sizes(z), self.eps)

    def _differentiate(
        self,
        pairs: slice,
        u: Tensor,  # noqa: ARG002
        z: Tensor,
        slope: Tensor,
        scratch: Tensor,  # noqa: ARG002
    ) -> None:
        torch.mm(self.features[pairs], self._weight, out=z)
        sizes = self._sizes(z)
        run_kernel("differentiate", z, *self._sites(pairs), slope, *sizes, self.eps)

    def _pull_back(
        self,
        grad: Tensor,
        z: Tensor,
        slope: Tensor,
        scratch: Tensor,  # noqa: ARG002
    ) -> None:
        run_kernel("pull_back", grad, z, slope, *self._sizes(z))

    def _add_to_sites(self, pairs: slice, grad: Tensor) -> None:
        if self.index is None:
            super()._add_to_sites(pairs, grad)
            return
        for part, table in zip(self.index, self.grads[1::-1], strict=True):
            run_kernel("add_rows", grad, part[pairs], table, *grad.shape)

    def _sizes(self, rows: Tensor) -> tuple[int, int, int]:
        return len(rows), self.channels, self.width

    def _sites(self, pairs: slice) -> tuple[Tensor | None, ...]:
        receiver, sender, _ = self.terms
        if self.index is None:
            return None, receiver, None, None
        return sender, receiver, self.index[0][pairs], self.index[1][pairs]


def _fill_up(rows: Tensor) -> Tensor:
    """Fill rows up with zeros to whole vectors."""
    return nn.functional.pad(rows, (0, -rows.size(-1) % _VECTOR)).contiguous()
