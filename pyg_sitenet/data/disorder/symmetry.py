"""Equivalent orderings: the symmetry of a supercell as permutations of its sites."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure
from spglib import get_symmetry

from pyg_sitenet.data.disorder.cells import Cell
from pyg_sitenet.data.geometry.lattice import Floats, Ints
from pyg_sitenet.data.geometry.primitive import site_kinds

# Angstrom: how far a symmetry operation may miss a site.
_SYMMETRY_TOLERANCE = 0.01

# Numbers in a table of permutations at most (32 bits each); above, translations alone
# tell orderings apart.
_MAX_TABLE = 20_000_000

Labels = NDArray[np.uint8]


class Symmetry:
    """Space group of a disordered crystal.

    Args:
        primitive: The primitive cell, with its mixtures.

    Attributes:
        rotations: Integer matrices that act on fractional coordinates,
            [num_operations, 3, 3].
    """

    def __init__(self, primitive: Structure) -> None:
        kinds, _ = site_kinds(primitive)
        frac = np.array(primitive.frac_coords)
        operations = _operations(np.array(primitive.lattice.matrix), frac, kinds)
        mapped = [_map_sites(frac, kinds, *operation) for operation in zip(*operations)]  # noqa: B905
        indices = [k for k, mapping in enumerate(mapped) if mapping is not None]
        self.rotations: Ints = operations[0][indices]
        self._mapped = [mapping for mapping in mapped if mapping is not None]

    def permutations(self, cell: Cell) -> NDArray[np.int32]:
        """Return the symmetry of a supercell as permutations of its disordered sites.

        Returns:
            For each operation that leaves the supercell's lattice as it is, with each
            translation, the number of the site that comes to each place:
            [num_permutations, num_sites]. They form a group.
        """
        inverse = np.linalg.inv(cell.matrix)
        moved = cell.matrix @ self.rotations.transpose(0, 2, 1) @ inverse
        keeps = np.abs(moved - np.rint(moved)).max(axis=(1, 2)) < 1e-6
        size = len(cell.sites) * cell.num_images
        chosen = np.flatnonzero(keeps)
        if len(chosen) * cell.num_images * size > _MAX_TABLE:
            chosen = chosen[:1]  # the identity
        rows = [self._permute(cell, int(k)) for k in chosen]
        return np.unique(np.concatenate(rows), axis=0).astype(np.int32)

    def _permute(self, cell: Cell, operation: int) -> Ints:
        """Return an operation with each translation, [num_images, num_sites]."""
        to, shift = self._mapped[operation]
        position = np.full(len(to), -1)
        position[cell.sites] = np.arange(len(cell.sites))
        turned = cell.images @ self.rotations[operation].T
        target = shift[cell.sites][:, None] + turned  # [sites, images, 3]
        all_targets = target + cell.images[:, None, None]  # [images, sites, images, 3]
        site = np.broadcast_to(position[to[cell.sites]][:, None], target.shape[:2])
        numbers = cell.number(
            np.broadcast_to(site, all_targets.shape[:-1]), all_targets
        )
        return np.asarray(numbers.reshape(cell.num_images, -1))


def canonical(labels: Labels, permutations: NDArray[np.int32]) -> bytes:
    """Return the canonical form: the same for equivalent orderings and no others."""
    return min(orbit(labels, permutations))


def orbit(labels: Labels, permutations: NDArray[np.int32]) -> set[bytes]:
    """Return an ordering and all orderings equivalent to it by symmetry."""
    return {row.tobytes() for row in labels[permutations]}


def supercell_shapes(num_cells: int, rotations: Ints) -> list[tuple[Ints, int]]:
    """Return the superlattices of an index that differ by more than symmetry.

    Args:
        num_cells: Primitive cells in a supercell.
        rotations: Operations on fractional coordinates, [num_operations, 3, 3].

    Returns:
        The Hermite normal form (upper triangular, [3, 3]) of one of each kind, and how
        many there are of it.
    """
    shapes: list[tuple[Ints, int]] = []
    images: set[bytes] = set()
    for matrix in _hermite_forms(num_cells):
        if matrix.tobytes() in images:
            continue
        same = {hermite_form(matrix @ turn.T).tobytes() for turn in rotations}
        images |= same
        shapes.append((matrix, len(same)))
    return shapes


def hermite_form(matrix: Ints) -> Ints:
    """Return the one upper triangular basis of a lattice of integer rows, [3, 3].

    Its diagonal is positive, and what stands above a diagonal element is less than it
    and not negative.
    """
    rows = matrix.astype(np.int64)
    for column in range(3):
        while np.count_nonzero(rows[column:, column]) > 1:
            size = np.abs(rows[column:, column])
            size[size == 0] = size.max() + 1
            pivot = column + int(size.argmin())
            rows[[column, pivot]] = rows[[pivot, column]]
            steps = rows[column + 1 :, column] // rows[column, column]
            rows[column + 1 :] -= steps[:, None] * rows[column]
        pivot = column + int(np.flatnonzero(rows[column:, column])[0])
        rows[[column, pivot]] = rows[[pivot, column]]
        rows[column] *= np.sign(rows[column, column])
        steps = rows[:column, column] // rows[column, column]
        rows[:column] -= steps[:, None] * rows[column]
    return rows


def _hermite_forms(determinant: int) -> list[Ints]:
    return [
        np.array([[a, x, y], [0, b, z], [0, 0, determinant // (a * b)]])
        for a in _divisors(determinant)
        for b in _divisors(determinant // a)
        for x in range(b)
        for y in range(determinant // (a * b))
        for z in range(determinant // (a * b))
    ]


def _divisors(number: int) -> list[int]:
    return [k for k in range(1, number + 1) if number % k == 0]


def _operations(cell: Floats, frac: Floats, kinds: Ints) -> tuple[Ints, Floats]:
    """Return rotations and translations of the space group, the identity first."""
    identity = np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
    operations = _spglib_symmetry(cell, frac, kinds)
    if operations is None:
        return identity
    rotations, translations = operations
    first = [np.concatenate(pair) for pair in zip(identity, operations, strict=True)]
    trivial = (rotations == np.eye(3)).all(axis=(1, 2))
    trivial &= np.abs(translations - np.rint(translations)).max(axis=1) < 1e-6
    mask = np.concatenate([[True], ~trivial])
    return first[0][mask], first[1][mask]


def _spglib_symmetry(
    cell: Floats, frac: Floats, kinds: Ints
) -> tuple[Ints, Floats] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        crystal = cell.tolist(), frac.tolist(), kinds.tolist()
        symmetry = get_symmetry(crystal, symprec=_SYMMETRY_TOLERANCE)
    if symmetry is None:
        return None
    return symmetry["rotations"].astype(np.int64), symmetry["translations"]


def _map_sites(
    frac: Floats, kinds: Ints, rotation: Ints, translation: Floats
) -> tuple[Ints, Ints] | None:
    """Return the image of each site and its cell; None if a site has no image."""
    moved = frac @ rotation.T + translation
    difference = moved[:, None] - frac  # [from, to, 3]
    whole = np.rint(difference)
    miss = np.abs(difference - whole).max(axis=2)
    miss[kinds[:, None] != kinds] = np.inf
    to = miss.argmin(axis=1)
    own = np.arange(len(frac))
    is_permutation = len(set(to.tolist())) == len(to)
    if not (is_permutation and np.isfinite(miss[own, to]).all()):
        return None
    return to, whole[own, to].astype(np.int64)
