"""Attention over pairs that stores no hidden vectors of pairs, gradients by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter

from pyg_sitenet.nn.fast.activations import ACTIVATIONS, Activation
from pyg_sitenet.nn.fast.fused_layer import norm_parameters, pair_terms
from pyg_sitenet.nn.fast.hidden_form import make_hidden_layer
from pyg_sitenet.nn.fast.hidden_layer import (
    Features,
    Inputs,
    Receivers,
    Terms,
    exact_type,
)
from pyg_sitenet.nn.fast.plain_gradients import (
    needs_plain_gradients,
    plain_gradients,
    plain_hidden,
)
from pyg_sitenet.nn.fast.precision import (
    backward_without_autocast,
    product_type,
    without_autocast,
)
from pyg_sitenet.nn.pairs.kinds import Kinds
from pyg_sitenet.nn.pairs.pair_linear import PairLayer
from pyg_sitenet.nn.pairs.weights import attention_softmax, is_weightless

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
    prior: OptTensor,
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
        prior: Added to the logits of each pair, ``[E, H]`` or ``[E, 1]``.
        kinds: Which pairs are equal.

    Returns:
        The heads of each receiver ``[n_dst, C * H]``, head index fastest, and the
        attention weights ``[E, H]``.
    """
    index, features = distinct_pairs(edge_index, edge_attr, kinds)
    copies = kinds.of_pair if kinds is not None and kinds.sites is not None else None
    # The affine part of the norm before a linear map belongs to that map.
    factor, shift, eps = norm_parameters(attention.norm, logits.weight[0])
    dtype = product_type(edge_attr)
    terms = [pair_terms(part, x_src, x_dst, dtype) for part in (attention, value)]
    with without_autocast(edge_attr.device):
        heads, alpha = _FusedAttention.apply(  # type: ignore[no-untyped-call]
            features.rows.to(dtype), features.kind, index.contiguous(), copies,
            edge_index[1].contiguous(), prior, eps,
            ACTIVATIONS[type(attention.activation)],
            logits.weight * factor, logits.weight @ shift + logits.bias,
            *terms[0], *terms[1],
        )  # fmt: skip
    # A weighted mean of affine maps is the affine map of the weighted mean.
    factor, shift, _ = norm_parameters(value.norm, value.receiver.bias)
    is_seen = heads.new_zeros(len(heads), 1)
    if prior is None:
        is_seen.index_fill_(0, edge_index[1], 1)
    else:  # not by pairs of weight 0 alone
        is_seen.index_add_(0, edge_index[1], alpha.detach()[:, :1]).round_()
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
        rows: Tensor,
        kind: OptTensor,
        index: Tensor,
        copies: OptTensor,
        receiver: Tensor,
        prior: OptTensor,
        eps: float | None,
        activation: Activation,
        weight: Tensor,
        bias: Tensor,
        *terms: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        shared = (Features(rows, kind), index, activation, eps)
        attention = make_hidden_layer(Inputs(Terms(*terms[:3]), *shared))
        logits = attention.logits(weight) + bias
        if copies is not None:
            logits = logits[copies]
        if prior is not None:
            logits += prior
        num_receivers = len(terms[0])
        lane = _lanes(receiver)
        alpha = _softmax(logits, receiver, lane, num_receivers)
        value = make_hidden_layer(Inputs(Terms(*terms[3:]), *shared))
        sums = value.heads(alpha, Receivers(lane, copies, num_receivers * LANES))
        heads = sums.view(num_receivers, LANES, *sums.shape[1:]).sum(1)
        ctx.save_for_backward(
            alpha, heads, rows, kind, index, copies, receiver, prior, weight, bias,
            *terms,
        )  # fmt: skip
        ctx.options = eps, activation
        return heads, alpha

    @staticmethod
    @backward_without_autocast
    def backward(
        ctx: Any,  # noqa: ANN401
        heads_grad: OptTensor,
        alpha_grad: OptTensor,
    ) -> tuple[Tensor | None, ...]:
        alpha, heads, *inputs = ctx.saved_tensors
        if needs_plain_gradients(heads_grad, alpha_grad):
            inputs[6:6] = ctx.options
            return plain_gradients(_plain, inputs, (heads_grad, alpha_grad))
        rows, kind, index, copies, receiver, prior, weight, _, *terms = inputs
        eps, activation = ctx.options
        rows_grad = None
        if ctx.needs_input_grad[0]:
            rows_grad = torch.zeros_like(rows, dtype=exact_type(rows.dtype))
        shared = (Features(rows, kind), index, activation, eps)
        value = make_hidden_layer(Inputs(Terms(*terms[3:]), *shared), rows_grad)
        heads_grad = torch.zeros_like(heads) if heads_grad is None else heads_grad
        receivers = Receivers(receiver, copies, len(heads))
        total = value.heads_backward(alpha, receivers, heads_grad)
        mean = (heads_grad * heads).sum(-1)
        if alpha_grad is not None:
            total += alpha_grad
            mean += scatter(alpha * alpha_grad, receiver, dim_size=len(mean))
        logits_grad = total.sub_(mean[receiver]).mul_(alpha)
        prior_grad = None
        if ctx.needs_input_grad[5]:
            prior_grad = logits_grad.sum_to_size(prior.shape)

        attention = make_hidden_layer(Inputs(Terms(*terms[:3]), *shared), rows_grad)
        if copies is not None:
            logits_grad = scatter(logits_grad, copies, dim_size=attention.num_pairs)
        weight_grad = attention.logits_backward(weight, logits_grad)
        return (
            rows_grad, None, None, None, None, prior_grad, None, None,
            weight_grad, logits_grad.sum(0), *attention.grads, *value.grads,
        )  # fmt: skip


def _plain(
    rows: Tensor,
    kind: OptTensor,
    index: Tensor,
    copies: OptTensor,
    receiver: Tensor,
    prior: OptTensor,
    eps: float | None,
    activation: Activation,
    weight: Tensor,
    bias: Tensor,
    *terms: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return what the forward pass does with the same arguments."""
    shared = (Features(rows, kind), index, activation, eps)
    logits = plain_hidden(Inputs(Terms(*terms[:3]), *shared)) @ weight.t() + bias
    value = plain_hidden(Inputs(Terms(*terms[3:]), *shared))
    if copies is not None:
        logits, value = logits[copies], value[copies]
    if prior is not None:
        logits = logits + prior
    num_receivers = len(terms[0])
    alpha = attention_softmax(logits, receiver, None, num_receivers)
    weighted = alpha.unsqueeze(-1) * value.unsqueeze(1)  # [E, H, C]
    return scatter(weighted, receiver, dim_size=num_receivers), alpha


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
    sums = sums.masked_fill_(is_weightless(largest), torch.inf)
    return alpha.div_(sums[receiver])
