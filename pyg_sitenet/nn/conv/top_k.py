"""How many copies of each pair count, and attention to the k strongest only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.typing import OptTensor
from torch_geometric.utils import cumsum, lexsort, scatter

from pyg_sitenet.nn.pairs.weights import log_weight


def add_copies(
    logits: Tensor,
    index: Tensor,
    multiplicity: OptTensor,
    k: int | None,
    num_receivers: int | None = None,
) -> Tensor:
    """Return logits of all copies of each pair together, ``[E, H]``.

    Args:
        logits: One logit per pair and head, ``[E, H]``.
        index: Receiver of each pair, ``[E]``.
        multiplicity: Copies that each pair stands for, ``[E]``; one each if ``None``.
        k: Copies that a receiver keeps; all if ``None``.
        num_receivers: Number of receivers. (default: as many as the pairs name)
    """
    if k is not None:
        copies = largest_multiplicities(logits, index, multiplicity, k, num_receivers)
    elif multiplicity is None:
        return logits
    else:
        copies = multiplicity.unsqueeze(-1)
    return logits + log_weight(copies, logits.dtype)


def largest_multiplicities(
    logits: Tensor,
    index: Tensor,
    multiplicity: OptTensor,
    k: int,
    num_receivers: int | None = None,
) -> Tensor:
    """Count how many copies of each pair are among its receiver's k largest logits.

    Args:
        logits: One logit per pair and head, ``[E, H]``.
        index: Receiver of each pair, ``[E]``.
        multiplicity: Copies that each pair stands for, whole numbers ``[E]``; one each
            if ``None``.
        k: Copies that a receiver keeps.
        num_receivers: Number of receivers. (default: as many as the pairs name)

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
    if logits.dim() > 2:  # a static graph, with features of several
        counts = (index, multiplicity, k, num_receivers)
        return torch.stack([largest_multiplicities(own, *counts) for own in logits])
    per_receiver = scatter(multiplicity, index, dim_size=num_receivers)
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
    ordered = multiplicity[order]
    rank = torch.zeros_like(order).scatter(0, order, ordered.cumsum(0) - ordered)
    return (k - (rank - before_receiver)).clamp(min=0).minimum(multiplicity)
