"""The layers of logits and values around one product, which stays for the way back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.device_layer import pairs_of_a_chunk
from pyg_sitenet.nn.fast.hidden_layer import Inputs, exact_type
from pyg_sitenet.nn.fast.triton.layer import TritonLayer


class JointLayers:
    """Both layers read their columns of a product, and leave their gradients there.

    So pairs are multiplied once, and their gradients, too: of all that moves through
    memory, most. The product is kept between both passes.

    Args:
        inputs: Of the layers of logits and of values, with the same features.
        needs_grad: Whether the features do.
        kept: The product, if the forward pass has made it; it is used up.
    """

    def __init__(
        self, inputs: Sequence[Inputs], *, needs_grad: bool, kept: Tensor | None
    ) -> None:
        self.attention, self.value = (TritonLayer(part) for part in inputs)
        self._layers = (self.attention, self.value)
        self._features, self._needs_grad = inputs[0].features, needs_grad
        rows, kind = self._features
        self._rows = rows if kind is None else rows.index_select(0, kind)
        self._weight = torch.cat([layer.weight for layer in self._layers], 1)
        self.kept = self._rows @ self._weight if kept is None else kept
        self._widths = [layer.weight.size(1) for layer in self._layers]
        for layer, product in zip(
            self._layers, self.kept.split(self._widths, 1), strict=True
        ):
            layer.take_product(product)

    def finish(self) -> Tensor | None:
        """Complete the gradients of the layers, and return that of the features."""
        exact = exact_type(self._rows.dtype)
        grads = (self.kept.t() @ self._rows).to(exact)
        for layer, grad in zip(self._layers, grads.split(self._widths), strict=True):
            layer.grads = layer.grads._replace(weight=grad[: layer.width])
        if not self._needs_grad:
            return None
        grad = (self.kept @ self._weight.t()).to(exact)
        rows, kind = self._features
        if kind is None:
            return grad
        return torch.zeros_like(rows, dtype=exact).index_add_(0, kind, grad)


def can_join(inputs: Sequence[Inputs]) -> bool:
    """Whether both products of all pairs together are no larger than a chunk."""
    if any(part.terms.sender is None for part in inputs):
        return False
    features, width = inputs[0].features, sum(len(part.terms.weight) for part in inputs)
    exact = exact_type(features.rows.dtype)
    return features.num_pairs <= pairs_of_a_chunk(features.rows.device, exact, width)
