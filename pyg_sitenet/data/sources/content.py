"""What a file, a frame or a table's cell holds, as a checked structure."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from pymatgen.core import Lattice, Species, Structure
from pymatgen.core.structure import StructureError as PymatgenStructureError

from pyg_sitenet.data.structure import check_structure, load_structure
from pyg_sitenet.data.structure_files import Piece
from pyg_sitenet.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

_BAD_VALUES = (
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    PymatgenStructureError,
)


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a structure file that is not on disk.

    Args:
        content: Bytes of the file.
        file_name: Name that tells its format, such as ``a.cif`` or ``POSCAR``.
    """

    content: bytes
    file_name: str


Content: TypeAlias = Union[Path, Piece, Text, Structure, "Atoms", Mapping[str, Any]]


def read_content(content: Content, origin: str) -> Structure:
    """Turn what a source holds into a checked structure.

    Args:
        content: A path, a piece of a file, text, or a structure as an object or a
            dictionary.
        origin: Where it comes from, for messages.

    Raises:
        StructureError: If it is no structure or one that cannot be used.
    """
    if isinstance(content, Mapping):
        return check_structure(structure_from_dict(content, origin), origin)
    if isinstance(content, Text):
        return _read_text(content, origin)
    if isinstance(content, Path):
        return load_structure(content)
    found = content.read() if isinstance(content, Piece) else content
    if isinstance(found, Structure):
        return check_structure(found, origin)
    try:
        return load_structure(found)
    except StructureError as error:
        raise StructureError(f"{origin}: {error}") from error


def content_of_cell(cell: str) -> Text | Mapping[str, Any] | None:
    """Tell what the text in a table's cell is: a dictionary, a file's text or neither.

    A cell of one line that is no JSON can only be a path: that is for the caller.
    """
    text = cell.strip()
    if text.startswith("{"):
        try:
            values = json.loads(text)
        except ValueError:
            return Text(cell.encode(), "structure.cif")
        return values if isinstance(values, dict) else None
    if "\n" not in text:
        return None
    is_cif = "_cell_length_a" in text or text.startswith(("data_", "#", "loop_"))
    return Text(cell.encode(), "structure.cif" if is_cif else "POSCAR")


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
    return {
        Species(one["element"], one["oxidation_state"])
        if one.get("oxidation_state") is not None
        else one["element"]: one["occu"]
        for one in species
    }


def _read_text(text: Text, origin: str) -> Structure:
    """Read text by way of a file, as every other structure file is read."""
    with tempfile.TemporaryDirectory(prefix="pyg_sitenet-") as folder:
        path = Path(folder) / Path(text.file_name).name
        path.write_bytes(text.content)
        try:
            return load_structure(path)
        except StructureError as error:
            raise StructureError(str(error).replace(str(path), origin)) from error
