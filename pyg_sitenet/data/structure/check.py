"""The one border that every crystal crosses: can this structure be used?"""

from __future__ import annotations

import numpy as np
from pymatgen.core import DummySpecies, Element, PeriodicSite, Species, Structure
from scipy.spatial import KDTree

from pyg_sitenet.data.elements import MAX_ATOMIC_NUMBER
from pyg_sitenet.data.geometry.lattice import (
    MAX_LENGTH,
    Floats,
    minimum_image_distances,
    minkowski_reduction,
    tree_points,
)
from pyg_sitenet.data.structure.occupancy import (
    ROUNDING,
    complete_occupancies,
    occupancy,
)
from pyg_sitenet.errors import StructureError

# Angstrom: shorter than any bond (H2 has 0.74), so two atoms this close are one.
MIN_DISTANCE = 0.5

# Cubic angstrom: atoms MIN_DISTANCE apart need more room than this.
MIN_VOLUME = 0.05

# Fractional: atoms may leave their cell, but not so far that digits are lost.
MAX_COORDINATE = 1e6


def check_structure(
    structure: Structure, origin: str, *, disordered: bool = False
) -> Structure:
    """Return a structure that can be encoded, or say why there is none.

    Args:
        structure: What was read.
        origin: File or formula that messages begin with.
        disordered: Let vacant and shared sites pass, for
            :func:`~pyg_sitenet.data.disorder.order_structure` to order them.

    Returns:
        The structure itself, its occupancies and isotopes mended
        (:func:`~pyg_sitenet.data.structure.occupancy.complete_occupancies`).

    Raises:
        StructureError: If it has no atoms, is disordered, is not periodic in three
            directions, has impossible coordinates, no volume, an element
            that does not exist, or two atoms closer than 0.5 angstrom; of partly
            occupied sites, two that are so close and often both occupied.
    """
    if len(structure) == 0:
        raise StructureError(f"{origin}: no atoms in the cell; complete or remove it")
    structure = complete_occupancies(structure, origin)
    if not disordered:
        refuse_disorder(structure, origin)
    _check_lattice(structure, origin)
    usable = (np.abs(structure.frac_coords) < MAX_COORDINATE).all(axis=1)
    if not usable.all():
        site = int(np.argmin(usable))
        raise StructureError(
            f"{origin}: coordinates of atom {site + 1}"
            f" ({structure[site].species_string}) are not finite numbers that can be"
            " meant; correct or remove it"
        )
    _check_elements(structure, origin)
    _check_distances(structure, origin)
    return structure


def refuse_disorder(structure: Structure, origin: str) -> None:
    """Refuse a crystal with vacant or shared sites.

    Raises:
        StructureError: If it has one; names the site and the setting that orders it.
    """
    for site in structure:
        if not site.is_ordered:
            raise StructureError(
                f"{origin}: disordered, one site is occupied by {site.species_string};"
                " only ordered crystals can be used: give an ordered approximant, or"
                " let some be made (--disorder sample, data.disorder=sample)"
            )


def _check_lattice(structure: Structure, origin: str) -> None:
    if not all(structure.lattice.pbc):
        raise StructureError(
            f"{origin}: not periodic in all three directions; give the cell of a"
            " crystal (a molecule or slab needs a periodic cell with vacuum)"
        )
    matrix = np.asarray(structure.lattice.matrix)
    if not np.isfinite(matrix).all():
        raise StructureError(f"{origin}: lattice vectors are not finite numbers")
    if np.abs(matrix).max() > MAX_LENGTH:
        raise StructureError(
            f"{origin}: lattice vectors are longer than {MAX_LENGTH:g} A; is the cell"
            " in angstrom?"
        )
    if abs(np.linalg.det(matrix)) < MIN_VOLUME:
        raise StructureError(
            f"{origin}: the cell has no volume ({abs(np.linalg.det(matrix)):.3g} A^3);"
            " correct the lattice vectors"
        )


def _check_elements(structure: Structure, origin: str) -> None:
    for specie in (specie for site in structure for specie in site.species):
        is_element = isinstance(specie, Element | Species)
        is_element = is_element and not isinstance(specie, DummySpecies)
        if not (is_element and 1 <= specie.Z <= MAX_ATOMIC_NUMBER):
            raise StructureError(
                f"{origin}: {specie.symbol!r} is not a chemical element; replace"
                " dummy and unknown atoms by real ones"
            )


def _check_distances(structure: Structure, origin: str) -> None:
    cell = np.array(structure.lattice.matrix)
    reduction = minkowski_reduction(cell)
    repeat = float(np.linalg.norm(reduction[0] @ cell))
    if repeat < MIN_DISTANCE:
        raise StructureError(
            f"{origin}: every atom is {repeat:.3g} A from its own periodic image, less"
            f" than {MIN_DISTANCE} A; is the cell in angstrom?"
        )
    frac = structure.frac_coords @ np.linalg.inv(reduction)
    close = _closest_pair(structure, frac, reduction @ cell)
    if close is not None:
        first, second, distance = close
        raise StructureError(
            f"{origin}: atoms {first + 1} ({structure[first].species_string}) and"
            f" {second + 1} ({structure[second].species_string}) are {distance:.3g} A"
            f" apart, less than {MIN_DISTANCE} A; remove the duplicate or correct it"
        )


def _closest_pair(
    structure: Structure, frac: Floats, cell: Floats
) -> tuple[int, int, float] | None:
    """Return the two atoms that are too close by most, and their distance."""
    points, box = tree_points(cell, frac)
    tree = KDTree(points, boxsize=box)
    pairs = tree.query_pairs(MIN_DISTANCE, p=np.inf, output_type="ndarray")
    if not structure.is_ordered:
        both = [not are_alternatives(structure[i], structure[j]) for i, j in pairs]
        pairs = pairs[both]
    if not len(pairs):
        return None
    first, second = pairs.T
    distances = minimum_image_distances((frac[second] - frac[first]) @ cell, cell)
    closest = int(distances.argmin())
    if distances[closest] >= MIN_DISTANCE:
        return None
    return int(first[closest]), int(second[closest]), float(distances[closest])


def are_alternatives(first: PeriodicSite, second: PeriodicSite) -> bool:
    """Tell whether two sites leave each other room: of both, one at a time is full."""
    shares = occupancy(first.species), occupancy(second.species)
    return sum(shares) <= 1 + 2 * ROUNDING
