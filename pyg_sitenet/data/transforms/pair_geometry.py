"""Distances from positions, cell and shifts, with gradients by all of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data


def pair_vectors(data: Data) -> Tensor:
    """Return the vector from the receiver of each pair to the atom it sees.

    Args:
        data: A graph, or a batch of them, with ``pos`` [n, 3], ``edge_index`` [2, E]
            and, if it is periodic, ``cell`` [B, 3, 3] and ``edge_shift`` [E, 3].

    Returns:
        Angstrom, ``[E, 3]``; differentiable by ``pos`` and ``cell``.

    Raises:
        ValueError: If the graph has no positions, or a cell without shifts.
    """
    for name in ("pos", "edge_index", *(["edge_shift"] if "cell" in data else [])):
        if name not in data:
            raise ValueError(
                f"`data` must have `{name}` to compute vectors of pairs; merged graphs "
                "have none: leave out MergeEquivalent"
            )
    sender, receiver = data.edge_index
    vectors: Tensor = data.pos[sender] - data.pos[receiver]
    if "cell" not in data:
        return vectors
    cell = data.cell.view(-1, 3, 3)
    shift = data.edge_shift.to(data.pos.dtype)
    if len(cell) == 1:
        single: Tensor = shift @ cell[0].to(shift)
        return vectors + single
    crystal = data.batch[receiver]
    moved: Tensor = torch.einsum("ei,eij->ej", shift, cell.to(shift)[crystal])
    return vectors + moved


def pair_distances(data: Data) -> Tensor:
    """Return the distance of each pair, ``[E]``, as :func:`pair_vectors`.

    That of an atom to itself is 0, with gradient 0.
    """
    own = is_self(data)
    vectors = torch.where(own[:, None], 1.0, pair_vectors(data))
    distances: Tensor = torch.where(own, 0.0, vectors.norm(dim=-1))
    return distances


def pair_triplets(data: Data) -> tuple[Tensor, Tensor]:
    """Return the pairs that meet in an atom: k seen by j, and j seen by i.

    Models that look at angles, such as DimeNet, take them as ``idx_kj`` and ``idx_ji``.

    Args:
        data: A graph, or a batch of them, with ``edge_index`` [2, E] and, if it is
            periodic, ``edge_shift`` [E, 3].

    Returns:
        Columns of both pairs in ``edge_index``, each ``[T]``; never a pair with itself
        backwards, where k is i, nor that of an atom with itself, which has no angle.
    """
    sender, receiver = data.edge_index
    order = receiver.argsort(stable=True)
    counts = receiver.bincount(minlength=data.num_nodes)
    start = counts.cumsum(0) - counts
    second = torch.arange(len(sender), device=sender.device)
    second = second.repeat_interleave(counts[sender])
    number = torch.arange(len(second), device=sender.device)
    first_of_second = counts[sender].cumsum(0) - counts[sender]
    place = start[sender[second]] + number - first_of_second[second]
    first = order[place]
    returns = sender[first] == receiver[second]
    if "edge_shift" in data:
        shift = data.edge_shift[first] + data.edge_shift[second]
        returns &= (shift == 0).all(dim=1)
    own = is_self(data)
    is_angle = ~(returns | own[first] | own[second])
    return first[is_angle], second[is_angle]


def is_self(data: Data) -> Tensor:
    """Tell which pairs are an atom with itself, ``[E]``."""
    same: Tensor = data.edge_index[0] == data.edge_index[1]
    if "edge_shift" not in data:
        return same
    is_unshifted: Tensor = (data.edge_shift == 0).all(dim=1)
    return same & is_unshifted
