"""The supercell of the paper: roughly cubic, at most ``max_atoms`` atoms."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.data.geometry.lattice import Floats, Ints, minimum_image_distances
from pyg_sitenet.errors import SiteNetWarning, StructureError

__all__ = ["Pairs", "make_supercell", "minimum_image_distances", "supercell_pairs"]

# Lengths and half-integers that agree to this share are ties: floating-point noise
# from a rotation or another setting of the cell must not choose the supercell.
_TIE = 1e-4

# Pairs of one crystal at most: more need many GB and minutes, in the model too.
MAX_PAIRS = 5_000_000

# Pairs whose vectors are held at once (about 25 MB).
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Pairs:
    """Pairs of each unique site with the atoms of its environment.

    Args:
        sender: Unique site that the seen atom is an image of, shape [num_pairs].
        receiver: Unique site that sees it, shape [num_pairs], sorted.
        image: Lattice translation of the seen atom in units of the primitive cell,
            shape [num_pairs, 3]; 0 0 0 of the receiver itself is the self pair.
        distance: Angstrom, shape [num_pairs]; exactly 0 for the self pair alone.
        supercell_matrix: Integer rows in units of the primitive vectors, [3, 3].
        weight: How much each seen atom counts, shape [num_pairs], above 0; 1 if None.
    """

    sender: Ints
    receiver: Ints
    image: Ints
    distance: Floats
    supercell_matrix: Ints
    weight: Floats | None = None

    @property
    def is_self(self) -> NDArray[np.bool_]:
        """Whether a pair is an atom with itself, [num_pairs]."""
        own: NDArray[np.bool_] = (self.sender == self.receiver) & ~self.image.any(1)
        return own


def make_supercell(cell: Floats, num_sites: int, max_atoms: int) -> Ints:
    """Choose the supercell whose edges are as equal as ``max_atoms`` allows.

    The cell is sheared to an orthogonal one (:math:`L = R Q` with upper triangular
    :math:`R`), the shortest edge is repeated while the atoms fit, and the shear is
    rounded to integers.

    Args:
        cell: Primitive lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        num_sites: Atoms in the primitive cell.
        max_atoms: Most atoms the supercell may have. A larger primitive cell is kept.

    Returns:
        Integer matrix, shape [3, 3], upper triangular; its rows are the supercell
        vectors in units of the primitive ones, its determinant the number of images.
    """
    # R from the metric alone, so that the orientation of the cell plays no part:
    # G = R R^T with upper triangular R is a Cholesky factor in reversed order.
    metric = cell @ cell.T
    upper = np.linalg.cholesky(metric[::-1, ::-1])[::-1, ::-1]
    inverse = np.linalg.inv(upper)
    shear = inverse / np.diag(inverse)[:, None]
    repeats = _repeats(np.diag(upper), num_sites, max_atoms)
    rounded = _round_half_to_zero(repeats[:, None] * shear)
    return np.triu(rounded)


def _repeats(lengths: Floats, num_sites: int, max_atoms: int) -> Ints:
    repeats = np.ones(3, dtype=np.int64)
    while True:
        edges = repeats * lengths
        shortest = int(np.argmax(edges <= edges.min() * (1 + _TIE)))
        repeats[shortest] += 1
        if repeats.prod() * num_sites > max_atoms:
            repeats[shortest] -= 1
            return repeats


def _round_half_to_zero(values: Floats) -> Ints:
    magnitude = np.ceil(np.abs(values) - 0.5 - _TIE)
    return (np.sign(values) * magnitude).astype(np.int64)


def image_translations(supercell_matrix: Ints) -> Ints:
    """Return the primitive translations inside a supercell, [num_images, 3].

    An upper triangular matrix has the box of its diagonal as representatives; 0 0 0
    comes first.
    """
    return np.array(list(np.ndindex(*np.diag(supercell_matrix))), dtype=np.int64)


def supercell_pairs(cell: Floats, frac: Floats, max_atoms: int) -> Pairs:
    """Pair every unique site with every atom of the supercell, the paper's environment.

    Args:
        cell: Primitive lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates of the unique sites, shape [num_sites, 3].
        max_atoms: Most atoms the supercell may have.

    Returns:
        Pairs sorted by receiver, then by sender, then by image. A primitive cell with
        more than ``max_atoms`` sites is kept whole, with a :class:`SiteNetWarning`.

    Raises:
        StructureError: If that would be more than ``MAX_PAIRS``.
    """
    num_sites = len(frac)
    if num_sites**2 > max(MAX_PAIRS, num_sites * max_atoms):
        raise StructureError(
            f"the primitive cell has {num_sites} sites, too many to pair each with each"
            f" (at most {math.isqrt(MAX_PAIRS)}); take a smaller cell, or a model with"
            " environment=sphere"
        )
    if num_sites > max_atoms:
        message = f"the primitive cell has {num_sites} sites, more than max_atoms="
        warnings.warn(f"{message}{max_atoms}; it is kept", SiteNetWarning, stacklevel=2)
    matrix = make_supercell(cell, num_sites, max_atoms)
    images = image_translations(matrix)
    distance = _distances(cell, frac, images, matrix)
    sites = np.arange(num_sites)
    num_atoms = num_sites * len(images)
    return Pairs(
        sender=np.tile(np.repeat(sites, len(images)), num_sites),
        receiver=np.repeat(sites, num_atoms),
        image=np.tile(images, (num_sites * num_sites, 1)),
        distance=distance,
        supercell_matrix=matrix,
    )


def _distances(cell: Floats, frac: Floats, images: Ints, matrix: Ints) -> Floats:
    """Return the minimum-image distances, [num_sites * num_sites * num_images]."""
    num_sites, num_images = len(frac), len(images)
    sites = frac @ cell
    atoms = (sites[:, None] + images @ cell).reshape(-1, 3)
    table = np.empty((num_sites, num_sites * num_images))
    rows = max(1, _CHUNK // len(atoms))
    for start in range(0, num_sites, rows):
        vectors = atoms - sites[start : start + rows, None]
        distances = minimum_image_distances(vectors.reshape(-1, 3), matrix @ cell)
        table[start : start + rows] = distances.reshape(len(vectors), -1)
    own = np.arange(num_sites)
    table[own, own * num_images] = 0  # exactly: the first image is the site itself
    return table.reshape(-1)
