"""Which crystals of a data set are one, whatever their ids and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.data.dataset import CrystalDataset

# Over which distances, in angstrom, the neighbours of the atoms are summed up.
_RANGES = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
# Relative: the same crystal in another cell differs by less, and one whose atoms have
# moved by a hundredth of an angstrom by more.
_TOLERANCE = 1e-5
# Of the distances to the nearest atoms, 0.003 A: those of a crystal of high symmetry
# change with what the atoms have moved, the sums only with its square.
_NEAR_TOLERANCE = 1e-3
_TOLERANCES = np.array([_TOLERANCE] * (1 + 2 * len(_RANGES)) + [_NEAR_TOLERANCE] * 3)
_NEIGHBOURS = 50  # crystals of one formula and almost one density that are compared


class Looks(NamedTuple):
    """What of each crystal tells whether another is the same.

    Attributes:
        formulas: Reduced formula of each.
        numbers: Its volume, sums over its pairs, and the shortest, mean and longest
            distance of an atom to the nearest other, [N, 12].
    """

    formulas: Sequence[str]
    numbers: NDArray[np.float64]


def look_at(dataset: CrystalDataset, graphs: Sequence[int]) -> Looks:
    """Look at crystals one by one; a hundred bytes of each are kept.

    Args:
        dataset: The crystals.
        graphs: Index of a graph of each.
    """
    formulas, rows = [], np.empty((len(graphs), len(_TOLERANCES)))
    for row, place in zip(rows, graphs, strict=True):
        graph = dataset.get(int(place))
        formulas.append(graph.formula)
        row[:] = _numbers(graph)
    return Looks(formulas, rows)


def equal_crystals(looks: Looks) -> list[list[int]]:
    """Return the places of crystals that are equal, for each that is there again.

    Crystals are equal if their environments have the same species at the same
    distances: turned, mirrored, in another cell or listed in another order.
    """
    first: dict[int, int] = {}  # of each crystal that is equal to one before it
    by_formula: dict[str, list[int]] = {}
    for k, formula in enumerate(looks.formulas):
        by_formula.setdefault(formula, []).append(k)
    for members in by_formula.values():
        order = sorted(members, key=lambda k: looks.numbers[k, 0])
        for place, k in enumerate(order):
            for other in order[place + 1 : place + 1 + _NEIGHBOURS]:
                difference = np.abs(looks.numbers[k] - looks.numbers[other])
                is_close = difference <= _TOLERANCES * np.abs(looks.numbers[k])
                if not is_close[0]:
                    break
                if is_close.all():
                    first.setdefault(other, first.get(k, k))
    groups: dict[int, list[int]] = {}
    for k, representative in first.items():
        groups.setdefault(representative, [representative]).append(k)
    return sorted(sorted(group) for group in groups.values())


def _numbers(graph: Data) -> NDArray[np.float64]:
    sites = graph.get("site_multiplicity")
    num_atoms = len(graph.z) if sites is None else int(sites.sum())
    copies = graph.get("edge_multiplicity")
    distances = graph.edge_attr[:, 0].double()
    weights = torch.ones_like(distances) if copies is None else copies.double()
    if sites is not None:  # each stands for so many, that have these pairs
        weights = weights * sites[graph.edge_index[1]]
    charges = graph.z.double()[graph.edge_index].prod(dim=0)  # z_i z_j
    near = torch.exp(-distances[:, None] / _RANGES)  # [E, ranges]
    sums = torch.stack([weights, weights * charges]) @ near / num_atoms
    volume = graph.cell.double().det().abs().reshape(1) / num_atoms
    nearest = _nearest(graph, distances)
    apart = torch.stack([nearest.min(), nearest.mean(), nearest.max()])
    numbers: NDArray[np.float64] = torch.cat([volume, sums.flatten(), apart]).numpy()
    return numbers


def _nearest(graph: Data, distances: Tensor) -> Tensor:
    """Return the distance of each atom to the nearest other, [num_atoms]."""
    far = distances.max()
    others = torch.where(distances > 0, distances, far)  # not itself
    nearest = far.repeat(len(graph.z))
    nearest.scatter_reduce_(0, graph.edge_index[1], others, "amin")
    sites = graph.get("site_multiplicity")
    return nearest if sites is None else nearest.repeat_interleave(sites.long())
