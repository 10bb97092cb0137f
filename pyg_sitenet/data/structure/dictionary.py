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


def structure_from_dict(values: Mapping[str, Any], origin: str) -> Structure:
    """Build a structure from pymatgen's dictionary or from lattice and coordinates.

    pymatgen's own reader would import whatever module the site properties of a
    dictionary name; nothing but lattice, species and positions is read here.

    Args:
        values: ``{"lattice": {"matrix": ...}, "sites": [...]}`` or
            ``{"lattice": 3x3, "species": [...], "frac_coords": [...]}`` (lattice
            vectors in rows, angstrom).
        origin: Where it comes from, for messages.

    Raises:
        StructureError: If it is neither.
    """
    if is_optimade(values):
        return structure_from_optimade(values, origin)
    try:
        if "sites" in values:
            sites = values["sites"]
            species = [_composition(site["species"]) for site in sites]
            coordinates = [site["abc"] for site in sites]
            lattice = Lattice(values["lattice"]["matrix"])
        else:
            species, coordinates = values["species"], values["frac_coords"]
            lattice = Lattice(values["lattice"])
        # Older pymatgen takes coordinates of any length.
        frac = np.reshape(np.asarray(coordinates, dtype=float), (len(species), 3))
        return Structure(lattice, species, frac)
    except _BAD_VALUES as error:
        detail = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise StructureError(
            f"{origin}: not the dictionary of a structure ({detail}); expected "
            "pymatgen's, or lattice, species and frac_coords"
        ) from error


def _composition(species: list[dict[str, Any]]) -> dict[str | Species, float]:
    shares: dict[str | Species, float] = {
        Species(one["element"], one["oxidation_state"])
        if one.get("oxidation_state") is not None
        else one["element"]: one["occu"]
        for one in species
    }
    return scale_occupancies(shares)
