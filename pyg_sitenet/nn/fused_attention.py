"""Attention over pairs that stores few hidden vectors of pairs, gradients by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter

from pyg_sitenet.nn.chunk_activations import ACTIVATIONS, Activation
from pyg_sitenet.nn.chunked_layer import (
    ChunkedLayer,
    Features,
    Terms,
)
from pyg_sitenet.nn.fused_layer import norm_parameters, pair_terms
from pyg_sitenet.nn.kinds import Kinds
from pyg_sitenet.nn.layers import PairLayer
from pyg_sitenet.nn.native_layer import make_chunked_layer

LANES = 4
"""Partial sums over a receiver's pairs: a long sum in one place loses digits."""


def fused_attention(
    attention: PairLayer,
    logits: nn.Linear,
    value: PairLayer,
    x_src: Tensor,
    x_dst: Tensor,
    edge_index: Tensor,
    edge_attr: Tensor,
    edge_multiplicity: OptTensor,
    kinds: Kinds | None = None,
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
        edge_multiplicity: Number of equal pairs each pair stands for, ``[E]``.
        kinds: Which pairs are equal.

    Returns:
        The heads of each receiver ``[n_dst, C * H]``, head index fastest, and the
        attention weights ``[E, H]``.
    """
    index, features = distinct_pairs(edge_index, edge_attr, kinds)
    copies = kinds.of_pair if kinds is not None and kinds.sites is not None else None
    # The affine part of the norm before a linear map belongs to that map.
    factor, shift, eps = norm_parameters(attention.norm, logits.weight[0])
    log_multiplicity = None
    if edge_multiplicity is not None:
        log_multiplicity = edge_multiplicity.to(x_dst.dtype).log()
    heads, alpha = _FusedAttention.apply(  # type: ignore[no-untyped-call]
        torch.is_grad_enabled(), *features, index.contiguous(), copies,
        edge_index[1].contiguous(), log_multiplicity, eps,
        ACTIVATIONS[type(attention.activation)],
        logits.weight * factor, logits.weight @ shift + logits.bias,
        *pair_terms(attention, x_src, x_dst), *pair_terms(value, x_src, x_dst),
    )  # fmt: skip
    # A weighted mean of affine maps is the affine map of the weighted mean.
    factor, shift, _ = norm_parameters(value.norm, value.linear.bias)
    is_seen = heads.new_zeros(len(heads), 1).index_fill_(0, edge_index[1], 1)
    heads = heads * factor + (is_seen * shift).unsqueeze(1)  # [n_dst, H, C]
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


class _FusedAttention(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        keep: bool,
        rows: Tensor,
        kind: OptTensor,
        index: Tensor,
        copies: OptTensor,
        receiver: Tensor,
        log_multiplicity: OptTensor,
        eps: float | None,
        activation: Activation,
        weight: Tensor,
        bias: Tensor,
        *terms: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        inputs = (Features(rows, kind), index, activation, eps)
        attention = make_chunked_layer(Terms(*terms[:3]), *inputs)
        logits = _logits(attention, weight, keep) + bias
        if copies is not None:
            logits = logits[copies]
        if log_multiplicity is not None:
            logits += log_multiplicity.unsqueeze(-1)
        num_receivers = len(terms[0])
        lane = _lanes(receiver)
        alpha = _softmax(logits, receiver, lane, num_receivers)
        value = make_chunked_layer(Terms(*terms[3:]), *inputs)
        heads = _weighted_sums(value, alpha, copies, lane, num_receivers, keep)
        ctx.save_for_backward(
            rows, kind, index, copies, receiver, weight, alpha, heads, *terms
        )
        ctx.options, ctx.kept = inputs[2:], (attention.kept, value.kept)
        return heads, alpha

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        heads_grad: OptTensor,
        alpha_grad: OptTensor,
    ) -> tuple[Tensor | None, ...]:
        rows, kind, index, copies, receiver, *kept = ctx.saved_tensors
        weight, alpha, heads, *terms = kept
        inputs = (Features(rows, kind), index, *ctx.options)
        edge_grad = torch.empty_like(rows) if ctx.needs_input_grad[1] else None
        value = make_chunked_layer(Terms(*terms[3:]), *inputs)
        value.kept = ctx.kept[1]
        heads_grad = torch.zeros_like(heads) if heads_grad is None else heads_grad
        total = _value_backward(value, alpha, copies, receiver, heads_grad, edge_grad)
        mean = (heads_grad * heads).sum(-1)
        if alpha_grad is not None:
            total += alpha_grad
            mean += scatter(alpha * alpha_grad, receiver, dim_size=len(mean))
        logits_grad = total.sub_(mean[receiver]).mul_(alpha)
        count_grad = logits_grad.sum(1) if ctx.needs_input_grad[6] else None

        attention = make_chunked_layer(Terms(*terms[:3]), *inputs)
        attention.kept = ctx.kept[0]
        if copies is not None:
            logits_grad = scatter(logits_grad, copies, dim_size=attention.num_pairs)
        weight_grad = _attention_backward(attention, weight, logits_grad, edge_grad)
        return (
            None, edge_grad, None, None, None, None, count_grad, None, None,
            weight_grad, logits_grad.sum(0), *attention.grads, *value.grads,
        )  # fmt: skip


def _logits(attention: ChunkedLayer, weight: Tensor, keep: bool) -> Tensor:
    """Return ``weight @ z`` of each pair, ``[E, H]``."""
    logits = weight.new_empty(len(weight), attention.num_pairs)
    for pairs, z in attention.forward(keep=keep):
        torch.mm(weight, z.t(), out=logits[:, pairs])
    return logits.t().contiguous()


def _lanes(receiver: Tensor) -> Tensor:
    """Return where each pair is added up, ``[E]``: ``LANES`` places a receiver."""
    turn = torch.arange(len(receiver), device=receiver.device) % LANES
    return receiver * LANES + turn


def _softmax(
    logits: Tensor, receiver: Tensor, lane: Tensor, num_receivers: int
) -> Tensor:
    """Return the softmax over each receiver's pairs, ``[E, H]``."""
    largest = scatter(logits, receiver, dim_size=num_receivers, reduce="max")
    alpha: Tensor = (logits - largest[receiver]).exp_()
    sums = scatter(alpha, lane, dim_size=num_receivers * LANES)
    sums = sums.view(num_receivers, LANES, -1).sum(1)
    return alpha.div_(sums[receiver])


def _weighted_sums(
    value: ChunkedLayer,
    alpha: Tensor,
    copies: OptTensor,
    lane: Tensor,
    num_receivers: int,
    keep: bool,
) -> Tensor:
    """Return the sum of ``alpha z`` over each receiver's pairs, ``[n_dst, H, C]``."""
    sums = value.zero_sums(num_receivers * LANES, alpha.size(1))
    spans = _spans(value, copies)
    for (_, z), (span, row) in zip(value.forward(keep=keep), spans, strict=True):
        value.add_heads(z, row, alpha[span], lane[span], sums)
    return sums.view(num_receivers, LANES, *sums.shape[1:]).sum(1)


def _value_backward(
    value: ChunkedLayer,
    alpha: Tensor,
    copies: OptTensor,
    receiver: Tensor,
    heads_grad: Tensor,
    edge_grad: OptTensor,
) -> Tensor:
    """Return the gradient of the attention weights by way of the heads, ``[E, H]``."""
    sums_grad = value.zero_sums(*heads_grad.shape[:2]).copy_(heads_grad)
    alpha_grad = torch.empty_like(alpha)
    chunks = value.backward(edge_grad, add=False)
    for chunk, (span, row) in zip(chunks, _spans(value, copies), strict=True):
        weights = alpha[span], receiver[span]
        value.pull_back_heads(chunk, row, *weights, sums_grad, alpha_grad[span])
    return alpha_grad


def _attention_backward(
    attention: ChunkedLayer, weight: Tensor, logits_grad: Tensor, edge_grad: OptTensor
) -> Tensor:
    """Return the gradient of the weight of the logits, ``[H, C]``."""
    weight_grad = torch.zeros_like(weight)
    for pairs, z, z_grad in attention.backward(edge_grad, add=True):
        torch.mm(logits_grad[pairs], weight, out=z_grad)
        weight_grad.addmm_(logits_grad[pairs].t(), z)
    return weight_grad


def _spans(layer: ChunkedLayer, copies: OptTensor) -> list[tuple[slice, OptTensor]]:
    """Return, chunk by chunk, the pairs whose rows are in it, and which rows."""
    starts = range(0, layer.num_pairs, layer.rows)
    if copies is None:
        return [(slice(start, start + layer.rows), None) for start in starts]
    first = torch.tensor([*starts, layer.num_pairs], device=copies.device)
    ends = torch.searchsorted(copies, first).tolist()
    spans = [slice(*span) for span in pairwise(ends)]
    return [(s, copies[s] - k) for s, k in zip(spans, starts, strict=True)]
