"""The layer in PyTorch's operations where senders and receivers share one table.

Sums of a table's rows in bags, which make the terms of both sites and the gradients of
the heads in one kernel each, spare a device vectors of pairs that it would write and
read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast.device_layer import Chunk, DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import Bags, Inputs, Receivers, Terms
from pyg_sitenet.nn.fast.precision import FULL, without_autocast
from pyg_sitenet.nn.pairs.pair_linear import PairLayer
from pyg_sitenet.nn.pairs.shared import Shared


class JoinedLayer(DeviceLayer):
    """Takes the terms of both sites, and what comes back to them, from one table."""

    def __init__(self, inputs: Inputs, features_grad: Tensor | None = None) -> None:
        super().__init__(inputs, features_grad)
        self._bags = cast(Bags, inputs.bags)

    def heads_backward(
        self, alpha: Tensor, receivers: Receivers, grad: Tensor
    ) -> Tensor:
        """Return the gradient of alpha ``[P, H]`` from that of the sums."""
        table, bags = grad.reshape(-1, self.width), cast(Bags, receivers.bags)
        parts = []

        def z_grad(chunk: Chunk, z: Tensor) -> Tensor:
            part = bags.part(chunk.pairs)
            parts.append(
                torch.ops.aten._embedding_bag_per_sample_weights_backward(
                    z, table, part.rows, part.starts, part.of_row, 0
                )
            )
            return _sum_up(table, part, alpha[chunk.pairs].flatten())

        self.affine_grads = self._run_back(z_grad, self.affine, receivers.row)
        alpha_grad = torch.cat(parts) if len(parts) > 1 else parts[0]
        return alpha_grad.view_as(alpha)

    def _sum_of_sites(self, chunk: Chunk) -> Tensor:
        bags = self._bags.part(chunk.pairs)
        if chunk.copied is not None:
            rows = self._bags.rows.view(-1, 2)[chunk.copied].flatten()
            bags = Bags(rows, torch.arange(0, len(rows), 2, device=rows.device))
        return _sum_up(self.terms.receiver, bags)

    def _add_up(self, chunk: Chunk, features: Tensor, grad: Tensor) -> None:
        table = self.grads.receiver.view(-1, 2, self.width)
        for side, sites in enumerate(cast(tuple[Tensor, ...], chunk.sites)):
            table[:, side].index_add_(0, sites, grad)
        self._add_to_features(chunk, features, grad.to(features.dtype))


def joined_terms(
    layers: Sequence[PairLayer], x: Tensor, dtype: torch.dtype, shared: Shared
) -> list[Terms]:
    """Return what each layer adds up: a table ``[2 n, C]`` of senders and receivers.

    One product makes all tables.

    Args:
        layers: On the same sites and pairs.
        x: The sites.
        dtype: Of the products.
        shared: What other blocks have made.
    """
    sides = [side for layer in layers for side in (layer.sender, layer.receiver)]
    like = layers[0].receiver.bias
    widest = max(layer.out_channels for layer in layers)
    none = shared.make(_zeros, widest, like.device, like.dtype)
    biases: list[Tensor] = [
        none[: len(s.weight)] if s.bias is None else s.bias for s in sides
    ]
    weights: list[Tensor] = [side.weight for side in sides]
    weight, bias = torch.cat(weights), torch.cat(biases)
    is_half = dtype not in FULL
    with nullcontext() if is_half else without_autocast(x.device):
        rows = nn.functional.linear(x.to(x.dtype if is_half else dtype), weight, bias)
    parts = rows.to(dtype).split([2 * layer.out_channels for layer in layers], dim=1)
    terms = []
    for part, layer in zip(parts, layers, strict=True):
        own = cast(nn.Linear, layer.pair).weight.to(dtype)
        terms.append(Terms(part.reshape(-1, layer.out_channels), None, own))
    return terms


def bags_of_sites(edge_index: Tensor) -> Bags:
    """Return the rows of each pair's sender and receiver."""
    sides = torch.arange(2, device=edge_index.device)
    rows = torch.add(sides, edge_index.t(), alpha=2).flatten()
    return Bags(rows, torch.arange(0, len(rows), 2, device=rows.device))


def bags_of_heads(edge_index: Tensor, heads: int) -> Bags:
    """Return the rows of each pair's receiver, one a head."""
    device, number = edge_index.device, edge_index.size(1)
    each = torch.arange(heads, device=device)
    rows = torch.add(each, edge_index[1].unsqueeze(1), alpha=heads)
    pairs = torch.arange(number, device=device).unsqueeze(1).expand(-1, heads)
    starts = torch.arange(0, number * heads, heads, device=device)
    return Bags(rows.flatten(), starts, pairs.flatten())


def _zeros(width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.zeros(width, device=device, dtype=dtype)


def _sum_up(table: Tensor, bags: Bags, weights: Tensor | None = None) -> Tensor:
    """Return the sum of each bag, of rows times ``weights``."""
    return nn.functional.embedding_bag(
        bags.rows, table, bags.starts, mode="sum", per_sample_weights=weights
    )
