"""Attention over pairs that stores no hidden vectors of pairs."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.typing import OptTensor

from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.attention_function import (
    FusedAttention,
    Options,
    lanes_of_pairs,
)
from pyg_sitenet.nn.fast.fused_layer import norm_parameters, pair_terms
from pyg_sitenet.nn.fast.hidden_form import joins_sites
from pyg_sitenet.nn.fast.hidden_layer import Affine, Features
from pyg_sitenet.nn.fast.joined_layer import (
    bags_of_heads,
    bags_of_sites,
    joined_terms,
)
from pyg_sitenet.nn.fast.precision import product_type, without_autocast
from pyg_sitenet.nn.pairs.kinds import Kinds
from pyg_sitenet.nn.pairs.pair_linear import PairLayer
from pyg_sitenet.nn.pairs.shared import Shared


def fused_attention(
    attention: PairLayer,
    logits: nn.Linear,
    value: PairLayer,
    x_src: Tensor,
    x_dst: Tensor,
    edge_index: Tensor,
    edge_attr: Tensor,
    prior: OptTensor,
    kinds: Kinds | None = None,
    shared: Shared | None = None,
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        attention: The hidden layer of the logits.
        logits: From it to one logit a head.
        value: The value network that all heads share.
        x_src: Senders.
        x_dst: Receivers.
        edge_index: Sender and receiver of each pair ``[2, E]``, in any order.
        edge_attr: Pair features ``[E, D]``, or ``[U, D]`` of the kinds.
        prior: Added to the logits of each pair, ``[E, H]`` or ``[E, 1]``.
        kinds: Which pairs are equal.
        shared: What other blocks have made of these pairs.

    Returns:
        The heads of each receiver ``[n_dst, C * H]``, head index fastest, and the
        attention weights ``[E, H]``.
    """
    shared = shared or Shared()
    index, features = distinct_pairs(edge_index, edge_attr, kinds)
    copies = kinds.of_pair if kinds is not None and kinds.sites is not None else None
    dtype, layers = product_type(edge_attr), (attention, value)
    options = Options(
        ACTIVATIONS[type(attention.activation)], len(x_dst),
        shared.make(lanes_of_pairs, edge_index),
    )  # fmt: skip
    is_joined = joins_sites(x_src, x_dst)
    if is_joined:
        options = options._replace(
            bags=shared.make(bags_of_sites, index),
            heads=shared.make(bags_of_heads, edge_index, len(logits.weight)),
        )
        terms = joined_terms(layers, x_dst, dtype, shared)
    else:
        terms = [pair_terms(part, x_src, x_dst, dtype) for part in layers]
    weight, bias, affines, eps = _last_steps(attention, logits, value, is_joined)
    with without_autocast(edge_attr.device):
        heads, alpha = FusedAttention.apply(  # type: ignore[no-untyped-call]
            features.rows.to(dtype), features.kind, index.contiguous(), copies,
            edge_index[1].contiguous(), prior, options._replace(eps=eps), weight, bias,
            *terms[0], *affines[0], *terms[1], *affines[1],
        )  # fmt: skip
    if not is_joined:
        heads = _finish(heads, alpha, value, edge_index, prior)
    return heads.transpose(1, 2).flatten(1), alpha


def distinct_pairs(
    edge_index: Tensor, edge_attr: Tensor, kinds: Kinds | None
) -> tuple[Tensor, Features]:
    """Return sites and features of what must be computed: pairs, or their kinds."""
    if kinds is None:
        return edge_index, Features(edge_attr, None)
    if kinds.sites is None:
        return edge_index, Features(edge_attr, kinds.of_pair)
    return kinds.sites, Features(edge_attr, None)


def _last_steps(
    attention: PairLayer, logits: nn.Linear, value: PairLayer, is_joined: bool
) -> tuple[Tensor, Tensor, list[Affine], float | None]:
    """Return the map to the logits, what the norms do last, and their epsilon."""
    layers = [(attention, logits.weight[0]), (value, value.receiver.bias)]
    (factor, shift, eps), other = (norm_parameters(p.norm, like) for p, like in layers)
    if is_joined:
        affines = [Affine(factor, shift), Affine(*other[:2])]
        if eps is None:  # nor a norm that has factor and shift
            affines = [Affine(), Affine()]
        return logits.weight, logits.bias, affines, eps
    # The affine part of a norm before a linear map belongs to that map.
    bias = logits.weight @ shift + logits.bias
    return logits.weight * factor, bias, [Affine(), Affine()], eps


def _finish(
    heads: Tensor, alpha: Tensor, value: PairLayer, edge_index: Tensor, prior: OptTensor
) -> Tensor:
    """Return heads ``[n_dst, H, C]`` after the affine part of the value's norm."""
    # A weighted mean of affine maps is the affine map of the weighted mean.
    factor, shift, _ = norm_parameters(value.norm, value.receiver.bias)
    is_seen = heads.new_zeros(len(heads), 1)
    if prior is None:
        is_seen.index_fill_(0, edge_index[1], 1)
    else:  # not by pairs of weight 0 alone
        is_seen.index_add_(0, edge_index[1], alpha.detach()[:, :1]).round_()
    return heads * factor + (is_seen * shift).unsqueeze(1)
