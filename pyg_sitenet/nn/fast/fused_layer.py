"""A layer on pairs that stores its result alone, with gradients by hand."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import Function

from pyg_sitenet.nn.fast.activations import ACTIVATIONS, Activation
from pyg_sitenet.nn.fast.fused_form import has_fused_form, is_plain_tensor
from pyg_sitenet.nn.fast.hidden_form import joins_sites, make_hidden_layer
from pyg_sitenet.nn.fast.hidden_layer import (
    Bags,
    Features,
    Inputs,
    Terms,
    exact_type,
)
from pyg_sitenet.nn.fast.joined_layer import bags_of_sites, joined_terms
from pyg_sitenet.nn.fast.plain_gradients import (
    is_transformed,
    needs_plain_gradients,
    plain_gradients,
    plain_hidden,
)
from pyg_sitenet.nn.fast.precision import (
    FULL,
    autocast_type,
    backward_without_autocast,
    product_type,
    without_autocast,
)
from pyg_sitenet.nn.layers import Layer
from pyg_sitenet.nn.pairs.pair_linear import PairLayer
from pyg_sitenet.nn.pairs.shared import Shared


def fused_pair_layer(
    layer: PairLayer,
    x_src: Tensor,
    x_dst: Tensor,
    edge_index: Tensor,
    features: Features,
    *,
    residual: bool,
    shared: Shared | None = None,
) -> Tensor:
    """Return the result of each pair ``[E, C]``, plus its features if asked."""
    shared, dtype, bags = shared or Shared(), product_type(features.rows), None
    if joins_sites(x_src, x_dst):
        bags = shared.make(bags_of_sites, edge_index)
        (terms,) = joined_terms([layer], x_dst, dtype, shared)
    else:
        terms = pair_terms(layer, x_src, x_dst, dtype)
    features = Features(features.rows.to(dtype), features.kind)
    return _apply(terms, features, edge_index.contiguous(), layer.norm,
                  layer.activation, residual, bags)  # fmt: skip


def fused_layer(layer: Layer, features: Tensor) -> Tensor:
    """Return the layer's result on each row of ``features``, ``[E, C]``."""
    if not (is_fusible(features) and has_fused_form(layer)):
        result: Tensor = layer(features)
        return result
    linear, (_, activation, norm) = cast(nn.Linear, layer[0]), layer
    dtype = product_type(features)
    terms = Terms(linear.bias.to(dtype), None, linear.weight.to(dtype))
    return _apply(terms, Features(features.to(dtype), None), None, norm, activation,
                  residual=False)  # fmt: skip


def is_fusible(features: Tensor) -> bool:
    """Whether gradients by hand may replace a module's own steps on these features.

    Not in half precision but by autocast, on meta tensors, on any other shape than
    ``[E, D]``, and not where someone looks inside: ``torch.compile``, ``torch.func``.
    """
    return (
        not is_transformed()
        and is_plain_tensor(features)
        and features.dim() == 2
        and features.dtype in (*FULL, autocast_type(features.device))
        and not features.is_meta
    )


def pair_terms(
    layer: PairLayer, x_src: Tensor, x_dst: Tensor, dtype: torch.dtype
) -> Terms:
    """Return what the layer adds up for each pair, in the type of the products."""
    weight = cast(nn.Linear, layer.pair).weight
    is_half = dtype not in FULL
    with nullcontext() if is_half else without_autocast(x_dst.device):
        like = x_dst.dtype if is_half else dtype
        receiver, sender = layer.receiver(x_dst.to(like)), layer.sender(x_src.to(like))
    return Terms(receiver.to(dtype), sender.to(dtype), weight.to(dtype))


def norm_parameters(
    norm: nn.Module, like: Tensor
) -> tuple[Tensor, Tensor, float | None]:
    """Return factor, shift and epsilon of a layer norm, or of none at all."""
    if isinstance(norm, nn.LayerNorm):
        return norm.weight, norm.bias, norm.eps
    return torch.ones_like(like), torch.zeros_like(like), None


def _apply(
    terms: Terms,
    features: Features,
    index: Tensor | None,
    norm: nn.Module,
    activation: nn.Module,
    residual: bool,
    bags: Bags | None = None,
) -> Tensor:
    like = terms.weight[:, 0].to(exact_type(terms.weight.dtype))
    weight, bias, eps = norm_parameters(norm, like)
    with without_autocast(features.rows.device):
        result: Tensor = _FusedLayer.apply(  # type: ignore[no-untyped-call]
            *features, index, *terms, weight, bias, eps,
            ACTIVATIONS[type(activation)], residual, bags,
        )  # fmt: skip
    return result


class _FusedLayer(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        rows: Tensor,
        kind: Tensor | None,
        index: Tensor | None,
        receiver: Tensor,
        sender: Tensor | None,
        weight: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        eps: float | None,
        activation: Activation,
        residual: bool,
        bags: Bags | None,
    ) -> Tensor:
        terms = Terms(receiver, sender, weight)
        inputs = Inputs(terms, Features(rows, kind), index, activation, eps, bags=bags)
        layer = make_hidden_layer(inputs)
        ctx.save_for_backward(rows, kind, index, *terms, norm_weight, norm_bias)
        ctx.options = eps, activation, residual, bags
        return layer.rows(norm_weight, norm_bias, residual=residual)

    @staticmethod
    @backward_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        if needs_plain_gradients(grad):
            return plain_gradients(_plain, (*ctx.saved_tensors, *ctx.options), (grad,))
        rows, kind, index, *terms, norm_weight, _ = ctx.saved_tensors
        eps, activation, residual, bags = ctx.options
        features_grad = None
        if ctx.needs_input_grad[0]:
            features_grad = torch.zeros_like(rows, dtype=exact_type(rows.dtype))
        features = Features(rows, kind)
        inputs = Inputs(Terms(*terms), features, index, activation, eps, bags=bags)
        layer = make_hidden_layer(inputs, features_grad)
        weight_grad = layer.rows_backward(norm_weight, grad, residual=residual)
        return (
            features_grad, None, None, *layer.grads, weight_grad,
            grad.sum(0, dtype=weight_grad.dtype),
            None, None, None, None,
        )  # fmt: skip


def _plain(
    rows: Tensor,
    kind: Tensor | None,
    index: Tensor | None,
    *rest: Any,  # noqa: ANN401
) -> tuple[Tensor]:
    """Return what the forward pass does with the same arguments."""
    *terms, norm_weight, norm_bias, eps, activation, residual, bags = rest
    features = Features(rows, kind)
    inputs = Inputs(Terms(*terms), features, index, activation, eps, bags=bags)
    z = plain_hidden(inputs)
    out = z * norm_weight + norm_bias
    if residual:
        out = out + (rows if kind is None else rows[kind])
    return (out.to(rows.dtype),)
