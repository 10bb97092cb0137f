"""Pure translations of a crystal: which atoms are copies of one another."""

from __future__ import annotations

from functools import reduce
from math import gcd
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from pyg_sitenet.data.geometry.lattice import (
    Floats,
    Ints,
    minkowski_reduction,
    tree_points,
)

# Neighbours looked at in the skewed metric of the search tree, to find the nearest.
_NEIGHBOURS = 4


class Merged(NamedTuple):
    """A crystal whose translated copies are merged.

    Args:
        basis: Lattice vectors in units of the given ones, [3, 3] rational.
        frac: Fractional coordinates of the sites in that lattice, [num_sites, 3]: the
            mean of the copies.
        copies: Atoms that are copies of each site, [num_sites, num_translations],
            ascending.
    """

    basis: Floats
    frac: Floats
    copies: Ints


def merge_copies(cell: Floats, frac: Floats, kinds: Ints, tolerance: float) -> Merged:
    """Merge the translated copies of a crystal.

    All copies of a site, moved back onto it, lie within ``tolerance`` of each other: a
    slow modulation is not taken for a translation step by step.

    Args:
        cell: Lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates, shape [num_atoms, 3].
        kinds: Species numbers, shape [num_atoms].
        tolerance: Angstrom.
    """
    merged = Merged(np.eye(3), frac, np.arange(len(frac))[:, None])
    # A group of translations has one of prime order; what is left in the smaller
    # cell is a group again.
    while True:
        sites = kinds[merged.copies[:, 0]]
        smaller = merged.basis @ cell
        for translation in _translations(smaller, merged.frac, sites, tolerance):
            trial = _merge(merged, cell, frac, translation)
            if _spread(trial, frac, cell) <= tolerance:
                merged = trial
                break
        else:
            return merged


class _Translation(NamedTuple):
    vector: Floats  # fractional
    order: int
    image: Ints  # the site that each site is moved onto


def _translations(
    cell: Floats, frac: Floats, kinds: Ints, tolerance: float
) -> list[_Translation]:
    """Return the translations of prime order that map the sites, the best first."""
    counts = np.unique(kinds, return_counts=True)[1]
    if reduce(gcd, counts.tolist()) == 1:
        return []
    candidates = [
        (mismatch, _Translation(vector, order, image))
        for vector, order in _candidates(cell, frac, kinds, tolerance)
        for image, mismatch in _match(cell, frac, kinds, vector, tolerance)
        if _acts_freely(image, order)
    ]
    return [
        translation for _, translation in sorted(candidates, key=lambda pair: pair[0])
    ]


def _acts_freely(image: Ints, order: int) -> bool:
    """Tell whether every orbit has ``order`` members (large tolerances break this)."""
    power = sites = np.arange(len(image))
    for _ in range(order - 1):
        power = image[power]
        if (power == sites).any():
            return False
    return bool((image[power] == sites).all())


def _candidates(
    cell: Floats, frac: Floats, kinds: Ints, tolerance: float
) -> list[tuple[Floats, int]]:
    """Return candidate translations between atoms of the rarest species, and orders.

    The order divides the number of atoms of each species, so the vector is rational.
    """
    species, counts = np.unique(kinds, return_counts=True)
    rarest = frac[kinds == species[counts.argmin()]]
    steps = rarest[1:] - rarest[0]
    candidates = []
    for order in _prime_factors(reduce(gcd, counts.tolist())):
        numerators = np.rint(steps * order).astype(np.int64)
        errors = np.linalg.norm((steps - numerators / order) @ cell, axis=1)
        close = numerators[errors <= tolerance] % order
        generators = {_generator(row, order) for row in close.tolist() if any(row)}
        candidates += [(np.array(row) / order, order) for row in sorted(generators)]
    return candidates


def _prime_factors(number: int) -> list[int]:
    divisors = [d for d in range(2, number + 1) if number % d == 0]
    return [d for d in divisors if all(d % smaller for smaller in range(2, d))]


def _generator(numerators: list[int], order: int) -> tuple[int, ...]:
    """Return the multiple whose first nonzero number is 1: one of each subgroup."""
    inverse = pow(next(n for n in numerators if n), -1, order)
    return tuple(n * inverse % order for n in numerators)


def _match(
    cell: Floats, frac: Floats, kinds: Ints, vector: Floats, tolerance: float
) -> list[tuple[Ints, float]]:
    """Return the image of each site and the largest error; empty if there is none."""
    # A fourth coordinate keeps the species apart.
    apart = kinds[:, None] * (10 * tolerance)
    points, box = tree_points(cell, frac)
    moved, _ = tree_points(cell, frac + vector)
    tree = KDTree(np.hstack([points, apart]), boxsize=np.append(box, 0))
    count = min(_NEIGHBOURS, len(frac))
    near = tree.query(np.hstack([moved, apart]), range(1, count + 1), p=np.inf)[1]
    difference = (frac + vector)[:, None] - frac[near]
    difference -= np.rint(difference)
    distances = np.linalg.norm(difference @ cell, axis=-1)
    distances[kinds[near] != kinds[:, None]] = np.inf
    image = near[np.arange(len(frac)), distances.argmin(axis=1)]
    mismatch = float(distances.min(axis=1).max())
    if mismatch > tolerance or len(np.unique(image)) < len(image):
        return []
    return [(image, mismatch)]


def _merge(
    merged: Merged, cell: Floats, frac: Floats, translation: _Translation
) -> Merged:
    """Take a translation into the lattice and merge the sites it connects."""
    vector, order, image = translation
    orbits = [np.arange(len(image))]
    for _ in range(order - 1):
        orbits.append(image[orbits[-1]])
    firsts = np.unique(np.min(orbits, axis=0))
    sites = np.stack(orbits)[:, firsts].T  # [num_sites, order]
    copies = np.sort(merged.copies[sites].reshape(len(firsts), -1), axis=1)
    basis = _basis_with(vector, order) @ merged.basis
    basis = minkowski_reduction(basis @ cell) @ basis  # differences stay wrappable
    residues = _residues(basis, frac, copies)
    mean = frac[copies[:, 0]] @ np.linalg.inv(basis) + residues.mean(axis=1)
    return Merged(basis, mean, copies)


def _residues(basis: Floats, frac: Floats, copies: Ints) -> Floats:
    """Return the offsets of copies, moved back, from the first copy, in the basis.

    Returns:
        Shape [num_sites, num_translations, 3]; zero for the first.
    """
    difference = (frac[copies] - frac[copies[:, :1]]) @ np.linalg.inv(basis)
    return np.asarray(difference - np.rint(difference))


def _spread(merged: Merged, frac: Floats, cell: Floats) -> float:
    """Return the largest distance between copies that are moved back, angstrom."""
    smaller = merged.basis @ cell
    residues = _residues(merged.basis, frac, merged.copies) @ smaller
    return max(
        float(np.linalg.norm(residues - residues[:, [k]], axis=-1).max())
        for k in range(residues.shape[1])
    )


def _basis_with(vector: Floats, order: int) -> Floats:
    """Return a basis [3, 3] of the lattice of unit vectors and a vector of prime order.

    The vector takes the place of the last unit vector it has a part in: its numerator
    there is invertible, so the others and the vector reach that unit vector.
    """
    numerators = np.rint(vector * order).astype(np.int64)
    last = int(np.flatnonzero(numerators)[-1])
    inverse = pow(int(numerators[last]), -1, order)
    basis = np.eye(3)
    basis[last] = numerators * inverse % order / order
    return basis
