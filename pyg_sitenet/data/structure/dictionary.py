"""Structures as dictionaries, read without the classes that they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Species, Structure
from pymatgen.core.structure import StructureError as PymatgenStructureError

from pyg_sitenet.data.structure.occupancy import scale_occupancies
from pyg_sitenet.data.structure.optimade import is_optimade, structure_from_optimade
from pyg_sitenet.errors import StructureError

_BAD_VALUES = (
    AttributeError,
    LookupError,
    OverflowError,
    np.linalg.LinAlgError,
    TypeError,
    ValueError,
    PymatgenStructureError,
)
_ALL = (True, True, True)
_CELLS = frozenset({"lattice", "lattice_mat"})
_SITES = frozenset({"sites", "species", "frac_coords", "elements", "coords"})


def structure_from_dict(values: Mapping[str, Any], origin: str) -> Structure:
    """Build a structure from pymatgen's dictionary or from lattice and coordinates.

    pymatgen's own reader would import whatever module the site properties of a
    dictionary name; nothing but lattice, species and positions is read here.

    Args:
        values: ``{"lattice": {"matrix": ...}, "sites": [...]}``,
            ``{"lattice": 3x3, "species": [...], "frac_coords": [...]}`` (lattice
            vectors in rows, angstrom), JARVIS' ``{"lattice_mat", "elements",
            "coords", "cartesian"}``, or what holds one of them as its ``structure``,
            as pymatgen's entries do.
        origin: Where it comes from, for messages.

    Raises:
        StructureError: If it is neither.
    """
    held = values.get("structure")
    if isinstance(held, Mapping) and "lattice" not in values:
        values = held
    if is_optimade(values):
        return structure_from_optimade(values, origin)
    try:
        _check_names(values)
        lattice, species, coordinates = _parts(values)
        # Older pymatgen takes coordinates of any length.
        places = np.reshape(np.asarray(coordinates, dtype=float), (len(species), 3))
        is_cartesian = _is_cartesian(values)
        return Structure(lattice, species, places, coords_are_cartesian=is_cartesian)
    except _BAD_VALUES as error:
        detail = f"no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise StructureError(
            f"{origin}: not the dictionary of a structure ({detail}); write "
            "pymatgen's, or one of lattice, species and frac_coords"
        ) from error


def is_structure_dict(values: Mapping[str, Any]) -> bool:
    """Tell by its keys whether a dictionary may be that of a structure.

    Example:
        >>> is_structure_dict({"lattice": [], "sites": []})
        True
        >>> is_structure_dict({"Na": 4, "Cl": 4})
        False
    """
    held = values.get("structure", values)
    return isinstance(held, Mapping) and (
        is_optimade(held) or bool(_CELLS & held.keys() and _SITES & held.keys())
    )


def _parts(values: Mapping[str, Any]) -> tuple[Lattice, list[Any], Any]:
    """Return lattice, species and coordinates of a structure."""
    if "lattice_mat" in values:
        return Lattice(values["lattice_mat"]), values["elements"], values["coords"]
    description = values["lattice"]
    is_described = isinstance(description, Mapping)
    pbc = description.get("pbc", _ALL) if is_described else _ALL
    if isinstance(pbc, str):
        raise ValueError(f"pbc is {pbc!r}, expected three of true and false")
    first, second, third = pbc
    matrix = description["matrix"] if is_described else description
    lattice = Lattice(matrix, pbc=(bool(first), bool(second), bool(third)))
    if "sites" not in values:
        return lattice, values["species"], values["frac_coords"]
    sites = values["sites"]
    species = [_composition(site["species"]) for site in sites]
    return lattice, species, [site["abc"] for site in sites]


def _is_cartesian(values: Mapping[str, Any]) -> bool:
    flags = [values.get(name, False) for name in ("cartesian", "coords_are_cartesian")]
    if not all(flag in (0, 1) for flag in flags):
        raise ValueError(f"cartesian is {flags}, expected true or false")
    if flags[1] and "frac_coords" in values:
        raise ValueError("frac_coords and coords_are_cartesian")
    return bool(flags[0]) and "lattice_mat" in values


def _check_names(values: Mapping[str, Any]) -> None:
    """Refuse numbers of types for elements."""
    names = values.get("species") or values.get("elements") or ()
    types = [name for name in names if isinstance(name, str) and name.isdecimal()]
    if types:
        raise ValueError(f"{types[0]!r} names no element")


def _composition(species: list[dict[str, Any]]) -> dict[str | Species, float]:
    """Return the shares of a site, those of one element in several states added up."""
    shares: dict[str | Species, float] = {}
    for share in species:
        state = share.get("oxidation_state")
        name = share["element"] if state is None else Species(share["element"], state)
        shares[name] = shares.get(name, 0.0) + float(share["occu"])
    return scale_occupancies(shares)
