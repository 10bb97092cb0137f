"""Pairs of equal features and sites next to each other, to be computed once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Above this share of different pairs, finding the equal ones saves nothing.
WORTHWHILE = 0.9
_CRYSTAL_BITS = 23
_ODD = 0x9E3779B97F4A7C15 - 2**64  # spreads what differs in any bit


class Kinds(NamedTuple):
    """Which pairs are equal: pairs of a kind share one row of their features.

    Attributes:
        of_pair: Kind of each pair ``[E]``, rising by steps of 1 or 0.
        sites: Sender and receiver of one pair of each kind ``[2, U]``, if all pairs of
            a kind have equal ones, too; ``None`` if only the features are equal.
        first: The first pair of each kind ``[U]``, if it is known.
    """

    of_pair: Tensor
    sites: Tensor | None
    first: Tensor | None = None

    def first_pairs(self) -> Tensor:
        """Return the first pair of each kind, ``[U]``."""
        if self.first is not None:
            return self.first
        is_new = self.of_pair.diff(prepend=self.of_pair.new_full((1,), -1)) != 0
        return is_new.nonzero().flatten()


def group_pairs(
    edge_index: Tensor, edge_attr: Tensor, site_class: Tensor, crystal: Tensor
) -> tuple[Tensor, Kinds] | None:
    """Find pairs that are equal before the first block.

    The pair (i, j) of one element has the distance of (j, i), as have symmetric pairs
    that are not merged.

    Args:
        edge_index: Sender and receiver of each pair ``[2, E]``.
        edge_attr: Features ``[E, D]``.
        site_class: Equal for sites with equal features ``[n]``.
        crystal: Crystal of each site ``[n]``; pairs are ordered by it.

    Returns:
        The order of the pairs ``[E]`` and their kinds in that order; ``None`` if few
        pairs are equal.
    """
    if len(edge_attr) == 0:
        return None
    classes = site_class[edge_index]  # [2, E]
    order = _sort_key(edge_attr, classes, crystal[edge_index[1]]).argsort(stable=True)
    is_new = torch.ones_like(order, dtype=torch.bool)
    is_new[1:] = False
    for part in (*edge_attr.unbind(1), *classes, crystal[edge_index[1]]):
        is_new[1:] |= part[order].diff() != 0
    of_pair = is_new.cumsum(0) - 1
    first = is_new.nonzero().flatten()
    if len(first) > WORTHWHILE * len(order):
        return None
    return order, Kinds(of_pair, edge_index[:, order[first]], first)


def _sort_key(edge_attr: Tensor, classes: Tensor, crystal: Tensor) -> Tensor:
    """Return equal numbers for equal pairs, those of a crystal together, ``[E]``.

    Should unequal pairs get the same number, a kind falls in two at worst: which pairs
    are equal is decided by the features themselves.
    """
    mixed = classes[0] * _ODD + classes[1]
    for column in edge_attr.contiguous().view(torch.int64).unbind(1):
        mixed = (mixed + column) * _ODD
        mixed = mixed ^ (mixed >> 29)
    shift = 63 - _CRYSTAL_BITS
    return (crystal << shift) | ((mixed * _ODD >> 24) & ((1 << shift) - 1))
