"""Pure translations of a crystal: which atoms are copies of one another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import gcd

import numpy as np

from pyg_sitenet.data.lattice import Floats, Ints


def find_copies(
    cell: Floats, frac: Floats, kinds: Ints, tolerance: float
) -> tuple[Ints, Floats]:
    """Find the largest group of translations that map the crystal onto itself.

    All copies of an atom, moved back onto it, lie within ``tolerance`` of each other:
    a slow modulation is not taken for a translation step by step.

    Args:
        cell: Reduced lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates, shape [num_atoms, 3].
        kinds: Species numbers, shape [num_atoms].
        tolerance: Angstrom.

    Returns:
        The copies of each site, [num_sites, num_translations], the first atom of each
        in column 0, and the translations, [num_translations, 3], fractional, the
        identity first.
    """
    permutations = np.arange(len(frac))[None]
    translations = np.zeros((1, 3))
    for candidate in _candidates(cell, frac, kinds, tolerance):
        if _contains(translations, candidate):
            continue
        image = _match(cell, frac, kinds, candidate, tolerance)
        if image is None:
            continue
        trial = _extend(permutations, translations, image, candidate)
        if _spread(cell, frac, *trial) <= tolerance:
            permutations, translations = trial
    first = np.unique(permutations.min(axis=0))
    return permutations[:, first].T, translations


def _candidates(
    cell: Floats, frac: Floats, kinds: Ints, tolerance: float
) -> Iterator[Floats]:
    """Yield the rational translations that atoms of the rarest species allow.

    The number of translations divides the number of atoms of each species, and so
    does the order of each of them.
    """
    counts = np.bincount(kinds)
    counts[counts == 0] = len(kinds) + 1
    largest = reduce(gcd, (int(c) for c in counts if c <= len(kinds)))
    rarest = np.flatnonzero(kinds == np.argmin(counts))
    steps = frac[rarest[1:]] - frac[rarest[0]]
    steps -= np.floor(steps)
    for order in range(2, largest + 1):
        if largest % order:
            continue
        numerators = np.rint(steps * order)
        errors = (steps - numerators / order) @ cell
        close = np.linalg.norm(errors, axis=1) <= tolerance
        found = np.unique(numerators[close] % order, axis=0)
        yield from (numerator / order for numerator in found if numerator.any())


def _contains(translations: Floats, candidate: Floats) -> bool:
    difference = translations - candidate
    difference -= np.rint(difference)
    return bool((np.abs(difference) < 1e-6).all(axis=1).any())


def _match(
    cell: Floats, frac: Floats, kinds: Ints, translation: Floats, tolerance: float
) -> Ints | None:
    """Return the atom that each atom is moved onto, or None if there is not one."""
    image = np.empty(len(frac), dtype=np.int64)
    for kind in np.unique(kinds):
        atoms = np.flatnonzero(kinds == kind)
        moved = frac[atoms] + translation
        if _nearest(cell, moved[:1], frac[atoms])[1].max() > tolerance:
            return None
        nearest, distances = _nearest(cell, moved, frac[atoms])
        if distances.max() > tolerance or len(np.unique(nearest)) < len(atoms):
            return None
        image[atoms] = atoms[nearest]
    return image


def _nearest(cell: Floats, points: Floats, targets: Floats) -> tuple[Ints, Floats]:
    difference = points[:, None] - targets
    difference -= np.rint(difference)
    squares = ((difference @ cell) ** 2).sum(axis=-1)
    nearest = squares.argmin(axis=1)
    return nearest, np.sqrt(squares[np.arange(len(points)), nearest])


def _extend(
    permutations: Ints, translations: Floats, image: Ints, translation: Floats
) -> tuple[Ints, Floats]:
    """Return the group that a group and one more translation generate."""
    cosets, shifts = [permutations], [translations]
    power, step = image, translation
    while not _contains(translations, step):
        cosets.append(power[permutations])
        shifts.append(translations + step)
        power, step = image[power], step + translation
    return np.vstack(cosets), np.vstack(shifts)


def _spread(
    cell: Floats, frac: Floats, permutations: Ints, translations: Floats
) -> float:
    """Return the largest distance between two copies that are moved back, angstrom."""
    first = np.unique(permutations.min(axis=0))
    residues = copy_residues(frac, permutations[:, first].T, translations) @ cell
    widest = max(
        float(np.linalg.norm(residues - residues[:, [k]], axis=-1).max())
        for k in range(residues.shape[1])
    )
    return widest


def copy_residues(frac: Floats, copies: Ints, translations: Floats) -> Floats:
    """Return where the copies lie from the first one once they are moved back.

    Returns:
        Fractional, shape [num_sites, num_translations, 3]; zero in column 0.
    """
    residues = frac[copies] - translations - frac[copies[:, :1]]
    return np.asarray(residues - np.rint(residues))


def translation_lattice(translations: Floats) -> Floats:
    """Return a basis [3, 3] of the lattice that translations and unit vectors span."""
    order = len(translations)
    rows = np.rint(np.vstack([np.eye(3), translations]) * order).astype(np.int64)
    basis = []
    for column in range(3):
        while np.count_nonzero(rows[:, column]) > 1:
            values = np.abs(rows[:, column])
            pivot = int(np.argmin(np.where(values == 0, np.iinfo(np.int64).max, values)))
            steps = rows[:, column] // rows[pivot, column]
            steps[pivot] = 0
            rows = rows - steps[:, None] * rows[pivot]
        pivot = int(np.flatnonzero(rows[:, column])[0])
        basis.append(rows[pivot])
        rows = np.delete(rows, pivot, axis=0)
    return np.array(basis) / order
