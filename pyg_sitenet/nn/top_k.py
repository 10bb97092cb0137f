"""Attention to the k strongest pairs only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import cumsum, lexsort, scatter


def largest_multiplicities(
    logits: Tensor, index: Tensor, multiplicity: OptTensor, k: int
) -> Tensor:
    """Count how many copies of each pair are among its receiver's k largest logits.

    Args:
        logits: One logit per pair and head, ``[E, H]``.
        index: Receiver of each pair, ``[E]``.
        multiplicity: Copies that each pair stands for, whole numbers ``[E]``; one each
            if ``None``.
        k: Copies that a receiver keeps.

    Returns:
        Copies kept, ``[E, H]``: 0 where a pair is out, and a part of the pair's copies
        where the k-th one lies among them.

    Raises:
        ValueError: If multiplicities have a floating type.
    """
    if multiplicity is None:
        multiplicity = torch.ones_like(index)
    if multiplicity.is_floating_point():
        raise ValueError(
            "`edge_multiplicity` must count pairs in whole numbers where top_k chooses "
            f"among them, got {multiplicity.dtype}; give weights as `edge_weight`"
        )
    per_receiver = scatter(multiplicity, index)
    before_receiver = cumsum(per_receiver)[index]
    copies = [
        _copies_of_head(head, index, multiplicity, before_receiver, k)
        for head in logits.detach().unbind(dim=-1)
    ]
    return torch.stack(copies, dim=-1)


def _copies_of_head(
    logits: Tensor, index: Tensor, multiplicity: Tensor, before_receiver: Tensor, k: int
) -> Tensor:
    order = lexsort([-logits, index])
    rank = torch.empty_like(multiplicity)
    rank[order] = multiplicity[order].cumsum(0) - multiplicity[order]
    return (k - (rank - before_receiver)).clamp(min=0).minimum(multiplicity)
