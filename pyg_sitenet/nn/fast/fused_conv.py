"""When and how a block takes the fused path instead of PyG's message passing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.nn.aggr import SumAggregation
from torch_geometric.typing import Adj, OptTensor, Size

from pyg_sitenet.nn.fast.fused_attention import distinct_pairs, fused_attention
from pyg_sitenet.nn.fast.fused_form import (
    has_fused_form,
    is_logit_map,
    is_plain_tensor,
    is_untouched,
)
from pyg_sitenet.nn.fast.fused_layer import fused_pair_layer, is_fusible
from pyg_sitenet.nn.fast.plain_gradients import is_transformed
from pyg_sitenet.nn.fast.precision import autocast_type, logit_type
from pyg_sitenet.nn.pairs.kinds import Kinds
from pyg_sitenet.nn.pairs.pair_linear import PairLayer
from pyg_sitenet.nn.pairs.shared import Shared
from pyg_sitenet.nn.pairs.weights import log_weight

Results: TypeAlias = tuple[Tensor, Tensor, OptTensor]
_HOOKS = tuple(
    f"_{part}_forward{when}_hooks"
    for part in ("propagate", "message", "aggregate", "edge_update")
    for when in ("", "_pre")
)


class FusibleConv(Protocol):
    """The attributes of :class:`~pyg_sitenet.SiteNetConv` that are read here."""

    fused: bool
    explain: bool | None
    residual: bool
    top_k: int | None
    share_value_network: bool
    decomposed_layers: int
    aggr_module: Any
    flow: str
    attention: nn.Module
    logits: nn.Sequential
    value: Any
    edge: Any


def faster_form(
    conv: FusibleConv,
    x: tuple[Tensor, Tensor],
    edge_index: Adj,
    edge_attr: OptTensor,
    size: Size,
) -> Callable[..., Results] | None:
    """Return a function that does what message passing would, if there is one."""
    is_fast = can_fuse(conv, x, edge_index, edge_attr, size)
    return partial(fused_pairs, conv) if is_fast else None


def can_fuse(
    conv: FusibleConv,
    x: tuple[Tensor, Tensor],
    edge_index: Adj,
    edge_attr: OptTensor,
    size: Size,
    kinds: Kinds | None = None,
) -> bool:
    """Whether the fused path gives what message passing would, for these inputs.

    Not with top-k, separate value networks, more or fewer than one hidden layer of
    logits, sparse adjacencies, or without pairs; nor where
    :func:`~pyg_sitenet.nn.fast.fused_layer.is_fusible` or
    :func:`~pyg_sitenet.nn.fast.fused_form.has_fused_form` says no.
    """
    return (
        conv.fused
        and not is_transformed()
        and not conv.explain
        and not _changes_messages(conv)
        and _has_fused_form(conv)
        and _are_plain_pairs(edge_index, edge_attr, kinds)
        and _are_plain_sites(x, edge_attr, size)
    )


def fused_pairs(
    conv: FusibleConv,
    x: tuple[Tensor, Tensor],
    edge_index: Tensor,
    edge_attr: Tensor,
    edge_multiplicity: OptTensor = None,
    prior: OptTensor = None,
    size: Size = None,  # noqa: ARG001, that of x
    kinds: Kinds | None = None,
    shared: Shared | None = None,
) -> Results:
    """Return heads ``[n_dst, C * H]``, weights ``[E, H]`` and new pair features."""
    shared = shared or Shared()
    if edge_multiplicity is not None:
        copies = shared.make(log_weight, edge_multiplicity, logit_type(x[1]))
        copies = copies.unsqueeze(-1)
        prior = copies if prior is None else prior + copies
    pairs = (*x, edge_index, edge_attr)
    attention, logits = cast(PairLayer, conv.attention), cast(nn.Linear, conv.logits[0])
    heads, alpha = fused_attention(
        attention, logits, conv.value, *pairs, prior, kinds, shared
    )
    if conv.edge is None:
        return heads, alpha, None
    distinct = distinct_pairs(edge_index, edge_attr, kinds)
    new_edge_attr = fused_pair_layer(
        conv.edge, *x, *distinct, residual=conv.residual, shared=shared
    )
    return heads, alpha, new_edge_attr


def _changes_messages(conv: object) -> bool:
    """Whether a subclass has messages of its own."""
    owner = next(kind for kind in type(conv).__mro__ if "_attend" in vars(kind))
    names = ("message", "edge_update", "aggregate", "update", "_attend")
    return _passes_otherwise(conv) or any(
        getattr(getattr(conv, name), "__func__", None) is not getattr(owner, name)
        for name in names
    )


def _passes_otherwise(conv: object) -> bool:
    """Whether it has a propagate of its own: neither PyG's nor PyG's template of it."""
    kind = type(conv)
    return any(
        getattr(kind, f"_orig_{name}") is not getattr(MessagePassing, name)
        or getattr(getattr(conv, name), "__func__", None)
        not in (getattr(kind, f"_{form}_{name}") for form in ("orig", "jinja"))
        for name in ("propagate", "edge_updater")
    )


def _has_fused_form(conv: FusibleConv) -> bool:
    return (
        conv.top_k is None
        and conv.share_value_network
        and conv.flow == "source_to_target"
        and conv.decomposed_layers == 1
        and type(conv.aggr_module) is SumAggregation
        and is_untouched(conv.aggr_module)
        and not any(getattr(conv, hooks) for hooks in _HOOKS)
        and is_logit_map(conv.logits)
        and has_fused_form(conv.attention)
        and has_fused_form(conv.value)
        and (conv.edge is None or has_fused_form(conv.edge))
    )


def _are_plain_pairs(
    edge_index: Adj, edge_attr: OptTensor, kinds: Kinds | None
) -> bool:
    return (
        isinstance(edge_index, Tensor)  # for mypy
        and is_plain_tensor(edge_index)
        and edge_index.layout == torch.strided
        and edge_index.dtype == torch.long
        and edge_index.numel() > 0
        and edge_attr is not None
        and is_fusible(edge_attr)
        and len(edge_attr if kinds is None else kinds.of_pair) == edge_index.size(1)
    )


def _are_plain_sites(
    x: tuple[Tensor, Tensor], edge_attr: OptTensor, size: Size
) -> bool:
    return size in (None, tuple(map(len, x))) and all(
        is_plain_tensor(part)
        and part.dim() == 2
        and edge_attr is not None
        and _have_one_type(part, edge_attr)
        for part in x
    )


def _have_one_type(part: Tensor, edge_attr: Tensor) -> bool:
    """Whether all have one type, or autocast gives them one."""
    kind = autocast_type(part.device)
    types = {part.dtype, edge_attr.dtype}
    return len(types) == 1 or (kind is not None and types == {torch.float32, kind})
