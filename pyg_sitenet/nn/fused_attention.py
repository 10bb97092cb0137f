"""Attention over pairs that stores no vector of a pair, with gradients by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter, softmax

from pyg_sitenet.nn.chunked_layer import (
    ACTIVATIONS,
    Activation,
    ChunkedLayer,
    Features,
    Terms,
)
from pyg_sitenet.nn.fused_layer import norm_parameters, pair_terms
from pyg_sitenet.nn.layers import PairLayer
from pyg_sitenet.nn.native_layer import make_chunked_layer


def fused_attention(
    attention: PairLayer,
    logits: nn.Linear,
    value: PairLayer,
    x_src: Tensor,
    x_dst: Tensor,
    edge_index: Tensor,
    features: Features,
    edge_multiplicity: OptTensor,
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        attention: The hidden layer of the logits.
        logits: From it to one logit a head.
        value: The value network that all heads share.
        x_src: Senders.
        x_dst: Receivers.
        edge_index: Sender and receiver of each pair ``[2, E]``, in any order.
        features: Features of the pairs.
        edge_multiplicity: Number of equal pairs each pair stands for, ``[E]``.

    Returns:
        The heads of each receiver ``[n_dst, C * H]``, head index fastest, and the
        attention weights ``[E, H]``.
    """
    # The affine part of the norm before a linear map belongs to that map.
    factor, shift, eps = norm_parameters(attention.norm, logits.weight[0])
    log_multiplicity = None
    if edge_multiplicity is not None:
        log_multiplicity = edge_multiplicity.to(x_dst.dtype).log()
    heads, alpha = _FusedAttention.apply(  # type: ignore[no-untyped-call]
        *features, edge_index.contiguous(), log_multiplicity, eps,
        ACTIVATIONS[type(attention.activation)],
        logits.weight * factor, logits.weight @ shift + logits.bias,
        *pair_terms(attention, x_src, x_dst), *pair_terms(value, x_src, x_dst),
    )  # fmt: skip
    # A weighted mean of affine maps is the affine map of the weighted mean.
    factor, shift, _ = norm_parameters(value.norm, value.linear.bias)
    is_seen = heads.new_zeros(len(heads), 1).index_fill_(0, edge_index[1], 1)
    heads = heads * factor + (is_seen * shift).unsqueeze(1)  # [n_dst, H, C]
    return heads.transpose(1, 2).flatten(1), alpha


class _FusedAttention(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        rows: Tensor,
        kind: OptTensor,
        edge_index: Tensor,
        log_multiplicity: OptTensor,
        eps: float | None,
        activation: Activation,
        weight: Tensor,
        bias: Tensor,
        *terms: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        inputs = (Features(rows, kind), edge_index, activation, eps)
        attention = make_chunked_layer(Terms(*terms[:3]), *inputs)
        logits = _logits(attention, weight) + bias
        if log_multiplicity is not None:
            logits += log_multiplicity.unsqueeze(-1)
        num_receivers = len(terms[0])
        alpha = softmax(logits, edge_index[1], num_nodes=num_receivers).contiguous()
        value = make_chunked_layer(Terms(*terms[3:]), *inputs)
        heads = _weighted_sums(value, alpha, edge_index[1], num_receivers)
        ctx.save_for_backward(rows, kind, edge_index, weight, alpha, heads, *terms)
        ctx.options = inputs[2:]
        return heads, alpha

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        heads_grad: OptTensor,
        alpha_grad: OptTensor,
    ) -> tuple[Tensor | None, ...]:
        rows, kind, edge_index, weight, alpha, heads, *terms = ctx.saved_tensors
        activation, eps = ctx.options
        inputs = (Features(rows, kind), edge_index, activation, eps)
        edge_grad = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        value = make_chunked_layer(Terms(*terms[3:]), *inputs)
        heads_grad = torch.zeros_like(heads) if heads_grad is None else heads_grad
        total = _value_backward(value, alpha, edge_index[1], heads_grad, edge_grad)
        mean = (heads_grad * heads).sum(-1)
        if alpha_grad is not None:
            total += alpha_grad
            mean += scatter(alpha * alpha_grad, edge_index[1], dim_size=len(mean))
        logits_grad = total.sub_(mean[edge_index[1]]).mul_(alpha)

        attention = make_chunked_layer(Terms(*terms[:3]), *inputs)
        weight_grad = _attention_backward(attention, weight, logits_grad, edge_grad)
        count_grad = logits_grad.sum(1) if ctx.needs_input_grad[3] else None
        return (
            edge_grad, None, None, count_grad, None, None, weight_grad,
            logits_grad.sum(0), *attention.grads, *value.grads,
        )  # fmt: skip


def _logits(attention: ChunkedLayer, weight: Tensor) -> Tensor:
    """Return ``weight @ z`` of each pair, ``[E, H]``."""
    logits = weight.new_empty(len(weight), attention.num_pairs)
    for pairs, z in attention.forward():
        torch.mm(weight, z.t(), out=logits[:, pairs])
    return logits.t().contiguous()


def _weighted_sums(
    value: ChunkedLayer, alpha: Tensor, receiver: Tensor, num_receivers: int
) -> Tensor:
    """Return the sum of ``alpha z`` over each receiver's pairs, ``[n_dst, H, C]``."""
    sums = value.zero_sums(num_receivers, alpha.size(1))
    for pairs, z in value.forward():
        value.add_heads(z, alpha[pairs], receiver[pairs], sums)
    return sums


def _value_backward(
    value: ChunkedLayer,
    alpha: Tensor,
    receiver: Tensor,
    heads_grad: Tensor,
    edge_grad: OptTensor,
) -> Tensor:
    """Return the gradient of the attention weights by way of the heads, ``[E, H]``."""
    sums_grad = value.zero_sums(*heads_grad.shape[:2]).copy_(heads_grad)
    alpha_grad = torch.empty_like(alpha)
    for chunk in value.backward(edge_grad, add=False):
        here = chunk.pairs
        value.pull_back_heads(
            chunk, alpha[here], receiver[here], sums_grad, alpha_grad[here]
        )
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
