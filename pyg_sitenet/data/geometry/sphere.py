"""The spherical environment: all atoms of the infinite crystal within a radius."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.geometry.neighbours import neighbour_pairs
from pyg_sitenet.data.geometry.pairs import Pairs

TAPER = 0.25
"""Share of the radius over which an atom's weight falls from 1 to 0."""


def sphere_radius(cell: Floats, num_sites: int, max_atoms: int) -> float:
    """Return the radius (angstrom) whose sphere holds ``max_atoms`` on average."""
    volume_per_atom = abs(np.linalg.det(cell)) / num_sites
    return float((3 * max_atoms * volume_per_atom / (4 * np.pi)) ** (1 / 3))


def taper(distance: Floats, radius: float) -> Floats:
    """Return weights that are 1 inside and fall to 0 at the radius, twice smoothly."""
    rest = np.clip((1 - distance / radius) / TAPER, 0, 1)
    return rest**3 * (10 - 15 * rest + 6 * rest**2)


def taper_slope(distance: Floats, radius: float) -> Floats:
    """Return the derivative of :func:`taper` by the distance, per angstrom."""
    rest = np.clip((1 - distance / radius) / TAPER, 0, 1)
    return -30 * (rest * (1 - rest)) ** 2 / (TAPER * radius)


def sphere_pairs(cell: Floats, frac: Floats, max_atoms: int) -> Pairs:
    """Pair every unique site with all atoms of the infinite crystal within a sphere.

    Every setting of a cell and every supercell of it gives the same, distances are
    complete up to the radius, and atoms that cross it do so with weight 0.

    Args:
        cell: Lattice, shape [3, 3], rows are the lattice vectors, angstrom.
        frac: Fractional coordinates of the unique sites, shape [num_sites, 3].
        max_atoms: Atoms that the sphere holds on average, the site itself among them.

    Returns:
        Pairs sorted by receiver, then by sender, with their ``weight``; the supercell
        matrix is that of the cell itself.
    """
    radius = sphere_radius(cell, len(frac), max_atoms)
    pairs = neighbour_pairs(frac, cell, radius)
    return replace(pairs, weight=taper(pairs.distance, radius))
