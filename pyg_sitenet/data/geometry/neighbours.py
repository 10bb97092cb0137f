"""Neighbours within a radius, in a crystal or a molecule."""

from __future__ import annotations

import numpy as np
from vesin import NeighborList

from pyg_sitenet.data.geometry.lattice import Floats, Ints
from pyg_sitenet.data.geometry.pairs import Pairs

# Distances are computed here to the last digit; the list may be that much longer.
_MARGIN = 1e-9


def neighbour_pairs(
    frac: Floats,
    cell: Floats,
    radius: float,
    periodic: tuple[bool, bool, bool] = (True, True, True),
) -> Pairs:
    """Pair every site with all atoms of the infinite crystal within a radius.

    Args:
        frac: Fractional coordinates of the sites, shape [num_sites, 3], any range.
        cell: Lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        radius: Angstrom; atoms at exactly this distance are left out.
        periodic: Along which lattice vectors it is infinite.

    Returns:
        Pairs sorted by receiver, sender and image, with the self pair of each site.
    """
    whole = np.floor(frac) * periodic
    inside = frac - whole
    receiver, sender, image = _find(inside @ cell, cell, radius, periodic)
    vectors = (inside[sender] + image) @ cell - (inside @ cell)[receiver]
    image += (whole[receiver] - whole[sender]).astype(np.int64)
    return _sorted_pairs(receiver, sender, image, vectors, radius)


def molecule_pairs(positions: Floats, radius: float) -> Pairs:
    """Pair every atom of a molecule with all of its atoms within a radius.

    Args:
        positions: Cartesian, shape [num_atoms, 3], angstrom.
        radius: Angstrom; atoms at exactly this distance are left out.

    Returns:
        As :func:`neighbour_pairs`; every image is 0 0 0.
    """
    receiver, sender, image = _find(positions, np.eye(3), radius, (False,) * 3)
    vectors = positions[sender] - positions[receiver]
    return _sorted_pairs(receiver, sender, image, vectors, radius)


def _find(
    positions: Floats, cell: Floats, radius: float, periodic: tuple[bool, ...]
) -> tuple[Ints, Ints, Ints]:
    """Return receiver, sender and image of all pairs, those of a site with itself too.

    In one thread: processes are forked while encoding, which threads do not survive.
    """
    search = NeighborList(cutoff=radius * (1 + _MARGIN), full_list=True, n_threads=1)
    receiver, sender, image = search.compute(
        np.ascontiguousarray(positions, np.float64),
        np.ascontiguousarray(cell, np.float64),
        periodic,
        "ijS",
    )
    own = np.arange(len(positions))
    return (
        np.concatenate([own, receiver.astype(np.int64)]),
        np.concatenate([own, sender.astype(np.int64)]),
        np.concatenate([np.zeros((len(own), 3), np.int64), image.astype(np.int64)]),
    )


def _sorted_pairs(
    receiver: Ints, sender: Ints, image: Ints, vectors: Floats, radius: float
) -> Pairs:
    x, y, z = vectors.T
    distance = np.sqrt(x * x + y * y + z * z)
    order = np.lexsort((*image.T[::-1], sender, receiver))
    order = order[distance[order] < radius]
    return Pairs(
        sender=sender[order],
        receiver=receiver[order],
        image=image[order],
        distance=distance[order],
        supercell_matrix=np.eye(3, dtype=np.int64),
    )
