"""How much pairs count, as a part of their logits; those of weight 0 included."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax


def log_weight(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Return logarithms to add to logits: finite, with finite slopes, even of 0."""
    weight = weight.to(dtype)
    is_zero = weight == 0
    lowest = torch.finfo(dtype).min / 4
    return weight.masked_fill(is_zero, 1).log().masked_fill(is_zero, lowest)


def lowest_logit(dtype: torch.dtype) -> float:
    """Return a number between logits of pairs of weight 0 and all others."""
    return torch.finfo(dtype).min / 8


def is_weightless(logits: Tensor) -> Tensor:
    """Tell which logits are those of pairs of weight 0."""
    return logits <= lowest_logit(logits.dtype)


def attention_softmax(
    logits: Tensor, index: Tensor, ptr: OptTensor, size: int | None
) -> Tensor:
    """Return the softmax over the pairs of each receiver, ``[E, H]``.

    Pairs of weight 0 have none of it, even where a receiver has no others.
    """
    alpha: Tensor = softmax(logits, index, ptr, size, dim=-2)
    return alpha.masked_fill(is_weightless(logits), 0)
