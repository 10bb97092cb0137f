"""The disordered sites of a crystal: mixtures, and sites that exclude each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import Composition, Structure

from pyg_sitenet.data.geometry.lattice import Floats, Ints
from pyg_sitenet.data.geometry.primitive import site_kinds
from pyg_sitenet.data.structure.check import MIN_DISTANCE, are_alternatives
from pyg_sitenet.data.structure.occupancy import Specie, occupancy

# Share of the sum of two covalent radii: less than any bond of two atoms that are both
# there (0.7 of them is 0.92 A for two oxygens, 1.8 A for two lithiums).
_CONTACT = 0.7
_FULL = 1 - 1e-6


@dataclass(frozen=True)
class Sublattice:
    """Sites of the primitive cell that hold one mixture.

    Args:
        sites: Their numbers in the primitive cell, [num_sites].
        species: What a site may hold; None is a vacancy and comes last.
        shares: How often it does, [num_species]; they add up to 1.
    """

    sites: Ints
    species: tuple[Specie | None, ...]
    shares: Floats


class Exclusions(NamedTuple):
    """Pairs of sites that should not both be occupied.

    Args:
        first: Number of one site in the primitive cell, [num_pairs].
        second: Number of the other, [num_pairs].
        image: Lattice translation of the other, [num_pairs, 3].
        distance: Angstrom, [num_pairs].
    """

    first: Ints
    second: Ints
    image: Ints
    distance: Floats

    @property
    def weight(self) -> Ints:
        """Penalty if both are occupied, largest for atoms on top of each other."""
        return np.where(self.distance < MIN_DISTANCE, HARD, 1)


# Cost of two atoms on top of each other: more than all other costs of a cell together.
HARD = 1_000_000


def find_sublattices(primitive: Structure) -> list[Sublattice]:
    """Group the disordered sites of a primitive cell by what they hold."""
    kinds, held = site_kinds(primitive)
    return [
        _sublattice(np.flatnonzero(kinds == kind), species)
        for kind, species in enumerate(held)
        if len(species) > 1 or occupancy(species) < _FULL
    ]


def _sublattice(sites: Ints, held: Composition) -> Sublattice:
    present = sorted(held)
    shares = [float(held[specie]) for specie in present]
    species: list[Specie | None] = [*present]
    vacant = 1 - sum(shares)
    if vacant > 1 - _FULL:
        species.append(None)
        shares.append(vacant)
    return Sublattice(sites, tuple(species), np.array(shares) / sum(shares))


def find_exclusions(primitive: Structure) -> Exclusions:
    """Find partly vacant sites so close that they are alternatives of one atom.

    Two sites are if they are closer than 0.5 angstrom, or than 0.7 of the sum of their
    smallest covalent radii, and if their occupancies leave room: a sum of 1 at most.

    Returns:
        Each pair once in each direction.
    """
    vacant = [i for i, s in enumerate(primitive) if occupancy(s.species) < _FULL]
    radius = np.array([_radius(site.species) for site in primitive])
    none = np.zeros(0, dtype=np.int64)
    if not vacant:
        return Exclusions(none, none, np.zeros((0, 3), dtype=np.int64), np.zeros(0))
    reach = max(MIN_DISTANCE, 2 * _CONTACT * float(radius[vacant].max()))
    sites = Structure.from_sites([primitive[i] for i in vacant])
    first, second, image, distance = sites.get_neighbor_list(reach)
    first, second = np.array(vacant)[first], np.array(vacant)[second]
    contact = np.maximum(_CONTACT * (radius[first] + radius[second]), MIN_DISTANCE)
    room = [
        are_alternatives(primitive[i], primitive[j])
        for i, j in zip(first, second, strict=True)
    ]
    close = (distance < contact) & np.array(room, dtype=bool)
    whole = np.rint(image[close]).astype(np.int64)
    return Exclusions(first[close], second[close], whole, distance[close])


def _radius(species: Composition) -> float:
    return min(float(covalent_radii[specie.Z]) for specie in species)
