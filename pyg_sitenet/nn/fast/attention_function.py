"""Attention over pairs as one step of autograd, with gradients by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch_geometric.typing import OptTensor
from torch_geometric.utils import scatter

from pyg_sitenet.nn.fast.activations import Activation
from pyg_sitenet.nn.fast.hidden_form import make_layer_pair
from pyg_sitenet.nn.fast.hidden_layer import (
    Affine,
    Bags,
    Features,
    HiddenLayer,
    Inputs,
    Receivers,
    Terms,
)
from pyg_sitenet.nn.fast.plain_gradients import (
    needs_plain_gradients,
    plain_gradients,
    plain_hidden,
)
from pyg_sitenet.nn.fast.precision import backward_without_autocast
from pyg_sitenet.nn.pairs.weights import attention_softmax, lowest_logit

LANES = 4
"""Partial sums over a receiver's pairs: a long sum in one place loses digits."""
_LAYER = 5  # tensors of one: its terms, factor and shift


class Options(NamedTuple):
    """What has no gradient, and belongs to a pass."""

    activation: Activation
    num_receivers: int
    lane: Tensor  # [E] where each pair is added up
    bags: Bags | None = None  # of sites, where these share a table
    heads: Bags | None = None  # of the rows of heads, there
    eps: float | None = None


class FusedAttention(Function):
    """From features of pairs and tables of sites to heads and attention weights."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        rows: Tensor,
        kind: OptTensor,
        index: Tensor,
        copies: OptTensor,
        receiver: Tensor,
        prior: OptTensor,
        options: Options,
        weight: Tensor,
        bias: Tensor,
        *layers: OptTensor,
    ) -> tuple[Tensor, Tensor]:
        """Return heads ``[n_dst, H, C]`` and attention weights ``[E, H]``."""
        ctx.set_materialize_grads(False)
        inputs = _inputs(Features(rows, kind), index, options, layers)
        both = make_layer_pair(inputs, copies=copies)
        logits = both.attention.logits(weight, bias)
        if copies is not None:
            logits = logits[copies]
        if prior is not None:
            logits += prior
        alpha = _softmax(logits, receiver, options)
        heads = _heads(both.value, alpha, copies, options)
        ctx.save_for_backward(
            alpha, heads, rows, kind, index, copies, receiver, prior, weight, bias,
            *layers,
        )  # fmt: skip
        ctx.options = options
        ctx.kept = both.kept if any(ctx.needs_input_grad) else None
        return heads, alpha

    @staticmethod
    @backward_without_autocast
    def backward(
        ctx: Any,  # noqa: ANN401
        heads_grad: OptTensor,
        alpha_grad: OptTensor,
    ) -> tuple[Tensor | None, ...]:
        """Return the gradient of each argument, from those of the results."""
        alpha, heads, *saved = ctx.saved_tensors
        if needs_plain_gradients(heads_grad, alpha_grad):
            saved.insert(6, ctx.options)
            return plain_gradients(_plain, saved, (heads_grad, alpha_grad))
        rows, kind, index, copies, receiver, prior, weight, _, *layers = saved
        inputs = _inputs(Features(rows, kind), index, ctx.options, layers)
        needs_grad, kept, ctx.kept = ctx.needs_input_grad[0], ctx.kept, None
        both = make_layer_pair(inputs, copies=copies, needs_grad=needs_grad, kept=kept)
        attention, value = both.attention, both.value
        heads_grad = torch.zeros_like(heads) if heads_grad is None else heads_grad
        receivers = Receivers(receiver, copies, len(heads), ctx.options.heads)
        total = value.heads_backward(alpha, receivers, heads_grad)
        mean = (heads_grad * heads).sum(-1)
        if alpha_grad is not None:
            total += alpha_grad
            mean += scatter(alpha * alpha_grad, receiver, dim_size=len(mean))
        logits_grad = total.sub_(mean[receiver]).mul_(alpha)
        prior_grad = None
        if ctx.needs_input_grad[5]:
            prior_grad = logits_grad.sum_to_size(prior.shape)

        if copies is not None:
            logits_grad = scatter(logits_grad, copies, dim_size=attention.num_pairs)
        weight_grad = attention.logits_backward(weight, logits_grad)
        return (
            both.finish(), None, None, None, None, prior_grad, None,
            weight_grad, logits_grad.sum(0),
            *attention.grads, *attention.affine_grads,
            *value.grads, *value.affine_grads,
        )  # fmt: skip


def _inputs(
    features: Features, index: Tensor, options: Options, layers: Sequence[OptTensor]
) -> list[Inputs]:
    """Return what the layers of the logits and of the values work on."""
    shared = (features, index, options.activation, options.eps)
    return [
        Inputs(Terms(*parts[:3]), *shared, Affine(*parts[3:]), options.bags)
        for parts in (layers[:_LAYER], layers[_LAYER:])
    ]


def _plain(
    rows: Tensor,
    kind: OptTensor,
    index: Tensor,
    copies: OptTensor,
    receiver: Tensor,
    prior: OptTensor,
    options: Options,
    weight: Tensor,
    bias: Tensor,
    *layers: OptTensor,
) -> tuple[Tensor, Tensor]:
    """Return what the forward pass does with the same arguments."""
    inputs = _inputs(Features(rows, kind), index, options, layers)
    attention, value = map(plain_hidden, inputs)
    logits = attention @ weight.t() + bias
    if copies is not None:
        logits, value = logits[copies], value[copies]
    if prior is not None:
        logits = logits + prior
    alpha = attention_softmax(logits, receiver, None, options.num_receivers)
    weighted = alpha.unsqueeze(-1) * value.unsqueeze(1)  # [E, H, C]
    return scatter(weighted, receiver, dim_size=options.num_receivers), alpha


def lanes_of_pairs(edge_index: Tensor) -> Tensor:
    """Return where each pair is added up, ``[E]``: ``LANES`` places a receiver."""
    receiver = edge_index[1]
    turn = torch.arange(len(receiver), device=receiver.device) % LANES
    return turn.add_(receiver, alpha=LANES)


def _heads(
    value: HiddenLayer, alpha: Tensor, copies: OptTensor, options: Options
) -> Tensor:
    """Return the heads of each receiver, ``[n_dst, H, C]``."""
    number = options.num_receivers
    sums = value.heads(alpha, Receivers(options.lane, copies, number * LANES))
    sums = sums.view(number, LANES, *sums.shape[1:])
    if options.bags is None:
        return sums.sum(1)
    heads = sums.new_empty(number, value.width, alpha.size(1))  # head index fastest
    return torch.sum(sums, 1, out=heads.transpose(1, 2))


def _softmax(logits: Tensor, receiver: Tensor, options: Options) -> Tensor:
    """Return the softmax over each receiver's pairs, ``[E, H]``."""
    number = options.num_receivers
    # Above those of pairs of weight 0, which have no part of it.
    largest = logits.new_full((number, logits.size(1)), lowest_logit(logits.dtype))
    index = receiver.unsqueeze(1).expand_as(logits)
    largest.scatter_reduce_(0, index, logits, "amax")
    alpha: Tensor = (logits - largest[receiver]).exp_()
    sums = scatter(alpha, options.lane, dim_size=number * LANES)
    sums = sums.view(number, LANES, -1).sum(1).clamp_(min=1)  # the largest alone is 1
    return alpha.div_(sums[receiver])
