"""What of a crystal is compared with others: its elements and its geometry."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from torch_geometric.data import Data

from pyg_sitenet.novelty.bonds import Bonds, bonds_between

Array = NDArray[Any]

GEOMETRY = ("volume", "shortest", "coordination")
KINDS = ("metals", "metalloids", "nonmetals", "halogens", "noble gases")
_OTHERS = {
    "metalloids": (5, 14, 32, 33, 51, 52),
    "nonmetals": (1, 6, 7, 8, 15, 16, 34),
    "halogens": (9, 17, 35, 53, 85),
    "noble gases": (2, 10, 18, 36, 54, 86),
}
_KIND_OF = {z: kind for kind, numbers in _OTHERS.items() for z in numbers}
_NEIGHBOUR = 1.3  # of the sum of two radii
_ALONE = 3.0  # of it, in an environment of one atom


class Features(NamedTuple):
    """What of a crystal is compared that no network says.

    Attributes:
        elements: Its atomic numbers, ascending.
        geometry: Logarithms of its volume over that of its atoms, of its shortest
            distance over the sum of the radii, and of the mean number of neighbours.
        bonds: How strong its bonds are, and between which elements.
    """

    elements: tuple[int, ...]
    geometry: tuple[float, float, float]
    bonds: Bonds = Bonds()

    @property
    def numbers(self) -> dict[str, float]:
        """What is compared with the expected: strength of bonds, log of the volume."""
        return {"bonds": self.bonds.strength, "packing": self.geometry[0]}


class Crystal(NamedTuple):
    """A crystal as it is compared with others.

    Attributes:
        features: What no network says.
        vector: Of the network, of an ensemble of the first one.
        spread: Standard deviation of an ensemble's members, of each output.
        values: Of a training crystal: of each target that is a number, in units of its
            standard deviation; NaN where it is unknown.
    """

    features: Features
    vector: Sequence[float] | NDArray[np.float64]
    spread: Sequence[float] | NDArray[np.float64] = ()
    values: Sequence[float] | NDArray[np.float64] = ()


def crystal_features(data: Data) -> Features:
    """Return the features of an encoded crystal, equal sites merged or not."""
    z: Array = data.z.numpy()
    sites = _counts(data, "site_multiplicity", len(z))
    copies = _counts(data, "edge_multiplicity", len(data.edge_attr))
    distances = data.edge_attr[:, 0].numpy().astype(np.float64)
    is_pair = distances > 0  # 0 is an atom and itself
    sender, receiver = data.edge_index.numpy()[:, is_pair]
    radii = covalent_radii[z]
    pairs = _Pairs(
        distances[is_pair], radii[sender] + radii[receiver], receiver, copies[is_pair]
    )
    cell = data.cell.numpy().astype(np.float64).reshape(3, 3)
    volume = abs(np.linalg.det(cell)) / (4 / 3 * np.pi * (sites * radii**3).sum())
    geometry = np.log([volume, *_distances(pairs, sites)]).tolist()
    kinds = np.stack([receiver, z[receiver], z[sender]])
    bonds = bonds_between(pairs.distances, pairs.radii, sites, kinds, pairs.copies)
    return Features(tuple(np.unique(z).tolist()), tuple(geometry), bonds)


def pairs_of(elements: Sequence[int]) -> list[int]:
    """Return the pairs of elements, as 1000 times the first and the second."""
    return [1000 * first + second for first, second in combinations(elements, 2)]


def kinds_of(elements: Sequence[int]) -> str:
    """Return the kinds of the elements, such as ``metals and halogens``."""
    kinds = {_KIND_OF.get(z, KINDS[0]) for z in elements}
    return " and ".join(kind for kind in KINDS if kind in kinds)


def kinds_code(elements: Sequence[int]) -> int:
    """Return the kinds of the elements as a number, a bit for each."""
    kinds = {_KIND_OF.get(z, KINDS[0]) for z in elements}
    return sum(1 << k for k, kind in enumerate(KINDS) if kind in kinds)


class _Pairs(NamedTuple):
    """Pairs of a site and another atom: distance, radii, the site, how often, [E]."""

    distances: Array
    radii: Array
    receiver: Array
    copies: Array


def _distances(pairs: _Pairs, sites: Array) -> tuple[float, float]:
    """Return shortest distance and coordination."""
    ratios = pairs.distances / pairs.radii
    near = pairs.copies * sites[pairs.receiver] * (ratios <= _NEIGHBOUR)
    shortest = ratios.min() if len(ratios) else _ALONE
    # Half a neighbour more, for crystals that have none so near.
    return shortest, near.sum() / sites.sum() + 0.5


def _counts(data: Data, name: str, number: int) -> Array:
    counts = data.get(name)
    return np.ones(number) if counts is None else counts.numpy().astype(np.float64)
