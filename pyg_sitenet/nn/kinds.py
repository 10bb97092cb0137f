"""Pairs with equal features next to each other, so that features count once."""

from __future__ import annotations

import torch
from torch import Tensor

# Above this share of different features, finding the equal ones saves nothing.
WORTHWHILE = 0.8
_CRYSTAL_BITS = 23
_ODD = 0x9E3779B97F4A7C15 - 2**64  # spreads what differs in any bit


def group_by_features(
    edge_attr: Tensor, crystal: Tensor
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Order pairs by crystal and features.

    The pair (i, j) has the distance of (j, i), as have symmetric pairs that are not
    merged.

    Args:
        edge_attr: Features ``[E, D]``.
        crystal: Crystal of each pair ``[E]``.

    Returns:
        The order ``[E]``, the features of each kind ``[U, D]`` and the kind of each
        pair in that order ``[E]``; ``None`` if few pairs share features.
    """
    if len(edge_attr) == 0:
        return None
    # Keys of equal features are equal. Should those of different ones be, too, a kind
    # falls in two at worst: what decides are the features themselves.
    mixed = torch.zeros_like(crystal)
    for column in edge_attr.contiguous().view(torch.int64).unbind(1):
        mixed = (mixed + column) * _ODD
        mixed = mixed ^ (mixed >> 29)
    mask = (1 << (63 - _CRYSTAL_BITS)) - 1
    key = (crystal << (63 - _CRYSTAL_BITS)) | ((mixed * _ODD >> 24) & mask)
    order = key.argsort(stable=True)
    rows = edge_attr[order]
    is_new = (rows[1:] != rows[:-1]).any(1)
    is_new |= crystal[order].diff() != 0
    kind = torch.cat([is_new.new_zeros(1), is_new]).cumsum(0)
    first = torch.cat([is_new.new_ones(1), is_new]).nonzero().flatten()
    if len(first) > WORTHWHILE * len(rows):
        return None
    return order, rows[first], kind
