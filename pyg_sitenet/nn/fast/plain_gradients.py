"""Gradients that have gradients themselves, by PyTorch's own steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_legacy_batchedtensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode
from torch_geometric.typing import OptTensor

from pyg_sitenet.nn.fast.hidden_layer import Inputs, exact_type

Run = Callable[..., Sequence[Tensor]]


def is_transformed() -> bool:
    """Whether code is traced, transformed or counted, which only plain steps allow."""
    return (
        torch.compiler.is_compiling()
        or bool(torch.jit.is_tracing())  # type: ignore[attr-defined,no-untyped-call]
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
        or bool(is_in_torch_dispatch_mode())
    )


def needs_plain_gradients(*grads: OptTensor) -> bool:
    """Whether a backward pass that runs now is differentiated or batched itself."""
    return (
        torch.is_grad_enabled()
        or is_transformed()
        or any(is_legacy_batchedtensor(g) for g in grads if g is not None)
    )


def plain_gradients(
    run: Run, inputs: Sequence[Any], grads: Sequence[OptTensor]
) -> tuple[OptTensor, ...]:
    """Return the gradients of ``run(*inputs)``, one for each input.

    Args:
        run: The computation once more, in steps that autograd follows.
        inputs: What it takes: tensors and others.
        grads: Gradients of its outputs; ``None`` for zeros.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # As views of their own, inputs that depend on each other are told apart.
        inputs = [v.view_as(v) if _has_gradient(v) else v for v in inputs]
        pairs = zip(run(*inputs), grads, strict=True)
        outputs = [(out, grad) for out, grad in pairs if grad is not None]
        sources = [value for value in inputs if _has_gradient(value)]
        if not (outputs and sources):
            return (None,) * len(inputs)
        results = iter(
            torch.autograd.grad(
                [out for out, _ in outputs],
                sources,
                [grad for _, grad in outputs],
                create_graph=create_graph,
                allow_unused=True,
            )
        )
    return tuple(next(results) if _has_gradient(v) else None for v in inputs)


def plain_hidden(inputs: Inputs) -> Tensor:
    """Return ``z = norm(activation(terms))`` of each pair, ``[E, C]``."""
    (receiver, sender, weight), (rows, kind), index, activation, eps = inputs[:5]
    u = rows @ weight.t()
    if kind is not None:
        u = u[kind]
    if inputs.bags is not None:
        u = u + receiver[inputs.bags.rows.view(-1, 2)].sum(1)
    elif index is None or sender is None:
        u = u + receiver
    else:
        u = u + sender[index[0]] + receiver[index[1]]
    z = activation.plain(u.to(exact_type(u.dtype)))
    if eps is None:
        return z
    return nn.functional.layer_norm(z, z.shape[-1:], *inputs.affine, eps)


def _has_gradient(value: object) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
