"""Half precision in the fast path: products in it, all other steps in single.

Under autocast, features of pairs and tables of sites are kept in half precision; norms,
logits, softmax and sums are computed in single.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from pyg_sitenet.nn.fast.hidden_layer import exact_type
from pyg_sitenet.nn.fast.native.library import load_library

T = TypeVar("T")
FULL = (torch.float32, torch.float64)


def autocast_type(device: torch.device) -> torch.dtype | None:
    """Return what autocast multiplies in on a device; ``None`` where it is off."""
    # PyTorch refuses to say whether it is on where there is none.
    if not torch.amp.is_autocast_available(device.type):
        return None
    if not torch.is_autocast_enabled(device.type):
        return None
    return torch.get_autocast_dtype(device.type)


def product_type(features: Tensor) -> torch.dtype:
    """Return what the features of pairs are multiplied in.

    On the CPU the compiled layer, which is for single precision, stays the fastest.
    """
    kind = autocast_type(features.device)
    if kind is None or features.dtype == torch.float64:
        return features.dtype
    has_library = features.device.type == "cpu" and load_library() is not None
    return torch.float32 if has_library else kind


def logit_type(x: Tensor) -> torch.dtype:
    """Return the type of what is added to logits made of ``x``."""
    return x.dtype if autocast_type(x.device) is None else exact_type(x.dtype)


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Let operations run in the types of their inputs."""
    if autocast_type(device) is None:
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def backward_without_autocast(backward: Callable[..., T]) -> Callable[..., T]:
    """Let a backward pass do so, wherever it is called from."""

    @wraps(backward)
    def run(ctx: Any, *grads: Tensor | None) -> T:  # noqa: ANN401
        devices = [grad.device for grad in grads if grad is not None]
        with without_autocast(devices[0]) if devices else nullcontext():
            return backward(ctx, *grads)

    return run
