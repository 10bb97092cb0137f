"""A layer norm, with factor and shift or without, and its gradients by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.hidden_layer import Affine


def normalise(
    a: Tensor, affine: Affine, eps: float | None
) -> tuple[Tensor, list[Tensor]]:
    """Return the result, and mean and inverse deviation of each row.

    Args:
        a: What is normalised, ``[K, C]``.
        affine: Factor and shift; those that are not there are 1 and 0.
        eps: Of the norm; ``None``: only factor and shift.
    """
    if eps is not None:
        z, *moments = torch.native_layer_norm(a, a.shape[1:], *affine, eps)
        return z, moments
    z = a if affine.factor is None else a * affine.factor
    return z if affine.shift is None else z + affine.shift, []


def pull_back(
    grad: Tensor, a: Tensor, moments: list[Tensor], affine: Affine
) -> tuple[Tensor, Affine]:
    """Return the gradient of ``a``, and of those of factor and shift that are there.

    Args:
        grad: That of the result, ``[K, C]``.
        a: As :func:`normalise` took it.
        moments: As it returned them.
        affine: As it took it.
    """
    wanted = [part is not None for part in affine]
    if moments:
        grad, *grads = torch.ops.aten.native_layer_norm_backward(
            grad, a, a.shape[1:], *moments, *affine, [True, *wanted]
        )
        return grad, Affine(*grads)
    factor, shift = affine
    factor_grad = None if factor is None else (grad * a).sum(0)
    shift_grad = None if shift is None else grad.sum(0)
    grad = grad if factor is None else grad * factor
    return grad, Affine(factor_grad, shift_grad)
