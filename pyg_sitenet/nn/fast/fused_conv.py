"""When and how a block takes the fused path instead of PyG's message passing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch_geometric.typing import Adj, OptTensor, Size

from pyg_sitenet.nn.fast.fused_attention import distinct_pairs, fused_attention
from pyg_sitenet.nn.fast.fused_layer import fused_pair_layer, is_fusible
from pyg_sitenet.nn.fast.plain_gradients import is_transformed
from pyg_sitenet.nn.kinds import Kinds
from pyg_sitenet.nn.layers import PairLayer

_HOOKS = tuple(
    f"_{part}_forward{when}_hooks"
    for part in ("propagate", "message", "aggregate", "edge_update")
    for when in ("", "_pre")
)


class FusibleConv(Protocol):
    """The attributes of :class:`~pyg_sitenet.SiteNetConv` that are read here."""

    fused: bool
    explain: bool | None
    edge_dim: int
    residual: bool
    top_k: int | None
    share_value_network: bool
    aggr: Any
    flow: str
    attention: nn.Module
    logits: nn.Sequential
    value: Any
    edge: Any

    def children(self) -> Iterator[nn.Module]:
        """Yield the layers."""
        ...


def can_fuse(
    conv: FusibleConv,
    x_src: Tensor,
    x_dst: Tensor,
    edge_index: Adj,
    edge_attr: OptTensor,
    size: Size,
    kinds: Kinds | None = None,
) -> bool:
    """Whether the fused path gives what message passing would, for these inputs.

    Not with top-k, separate value networks, batch norm, more or fewer than one hidden
    layer of logits, sparse adjacencies, half precision or autocast; nor where someone
    looks inside: explanation, hooks, ``torch.compile``, ``torch.func``.
    """
    return (
        conv.fused
        and not is_transformed()
        and not conv.explain
        and _has_fused_form(conv)
        and not any(getattr(conv, hooks) for hooks in _HOOKS)
        and size in (None, (len(x_src), len(x_dst)))
        and type(edge_index) is Tensor
        and edge_index.layout == torch.strided
        and edge_index.dtype == torch.long
        and edge_attr is not None
        and edge_attr.size(-1) == conv.edge_dim
        and len(edge_attr if kinds is None else kinds.of_pair) == edge_index.size(1)
        and edge_attr.dtype == x_src.dtype == x_dst.dtype
        and all(is_fusible(edge_attr, part) for part in conv.children())
    )


def fused_pairs(
    conv: FusibleConv,
    x_src: Tensor,
    x_dst: Tensor,
    edge_index: Tensor,
    edge_attr: Tensor,
    edge_multiplicity: OptTensor,
    prior: OptTensor,
    kinds: Kinds | None = None,
) -> tuple[Tensor, Tensor, OptTensor]:
    """Return heads ``[n_dst, C * H]``, weights ``[E, H]`` and new pair features."""
    if edge_multiplicity is not None:
        copies = edge_multiplicity.to(x_dst.dtype).log().unsqueeze(-1)
        prior = copies if prior is None else prior + copies
    pairs = (x_src, x_dst, edge_index, edge_attr)
    attention, logits = cast(PairLayer, conv.attention), cast(nn.Linear, conv.logits[0])
    heads, alpha = fused_attention(attention, logits, conv.value, *pairs, prior, kinds)
    if conv.edge is None:
        return heads, alpha, None
    distinct = distinct_pairs(edge_index, edge_attr, kinds)
    new_edge_attr = fused_pair_layer(
        conv.edge, x_src, x_dst, *distinct, residual=conv.residual
    )
    return heads, alpha, new_edge_attr


def _has_fused_form(conv: FusibleConv) -> bool:
    return (
        conv.top_k is None
        and conv.share_value_network
        and len(conv.logits) == 1
        and isinstance(conv.attention, PairLayer)
        and conv.aggr == "add"
        and conv.flow == "source_to_target"
    )
