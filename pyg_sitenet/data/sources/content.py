"""What a table's cell, a frame or a file holds, as a checked structure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from pymatgen.core import Lattice, Species, Structure

from pyg_sitenet.data.structure import load_structure
from pyg_sitenet.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

Content: TypeAlias = Union[Path, "Atoms"]


def read_content(content: Content | Mapping[str, Any], origin: str) -> Structure:
    """Turn what a source holds into a checked structure.

    Args:
        content: A path, ASE atoms or the dictionary of a structure.
        origin: Where it comes from, for messages.

    Raises:
        StructureError: If it is no structure or one that cannot be used.
    """
    if isinstance(content, Mapping):
        return load_structure(structure_from_dict(content, origin))
    return load_structure(content)


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
    try:
        if "sites" in values:
            sites = values["sites"]
            species = [_composition(site["species"]) for site in sites]
            coordinates = [site["abc"] for site in sites]
            lattice = Lattice(values["lattice"]["matrix"])
        else:
            species, coordinates = values["species"], values["frac_coords"]
            lattice = Lattice(values["lattice"])
        return Structure(lattice, species, coordinates)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        detail = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise StructureError(
            f"{origin}: not the dictionary of a structure ({detail}); expected "
            "pymatgen's, or lattice, species and frac_coords"
        ) from error


def _composition(species: list[dict[str, Any]]) -> dict[str | Species, float]:
    return {
        Species(one["element"], one["oxidation_state"])
        if one.get("oxidation_state") is not None
        else one["element"]: one["occu"]
        for one in species
    }
