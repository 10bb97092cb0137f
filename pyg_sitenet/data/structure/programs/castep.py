"""``.cell`` files of CASTEP, read here: ASE's reader starts the program itself."""

from __future__ import annotations

import re

import numpy as np
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.programs.sites import BOHR, as_vector, make_structure
from pyg_sitenet.errors import StructureError

# Angstrom, of the units of length that the documentation of CASTEP lists.
_UNITS = {
    "ang": 1.0,
    "bohr": BOHR,
    "a0": BOHR,
    "nm": 10.0,
    "pm": 0.01,
    "cm": 1e8,
    "m": 1e10,
}
_COMMENT = re.compile(r"[#!;].*|^\s*COMMENT\b.*", re.IGNORECASE)
_BLOCK = re.compile(r"^\s*%BLOCK\s+(\S+)", re.IGNORECASE)
_END = re.compile(r"^\s*%ENDBLOCK\s+(\S+)", re.IGNORECASE)
_LETTERS = re.compile("[A-Za-z]+")

Rows = list[list[str]]


def read_cell(text: str, origin: str) -> Structure:
    """Read the lattice and the positions; operations that it lists add no atoms.

    Raises:
        StructureError: If one is missing, given twice or in a unit that is not known,
            or if sites are mixtures.
    """
    blocks = _blocks(text, origin)
    cell = _cell(blocks, origin)
    name, rows = _only(blocks, ("positions_frac", "positions_abs"), origin)
    cartesian = name == "positions_abs"
    factor, rows = _unit(rows, origin) if cartesian else (1.0, rows)
    for row in rows:
        if "mixture" in " ".join(row).lower():
            raise StructureError(
                f"{origin}: has mixture atoms, which are not read from this format;"
                " convert it to CIF"
            )
    positions = [as_vector(row[1:], origin) * factor for row in rows]
    names = [_element(row[0]) for row in rows]
    return make_structure(
        cell, names, positions, origin, cartesian=cartesian, numbers=True
    )


def _element(species: str) -> str:
    """Return the element that the first letters of a species are, or its number."""
    letters = _LETTERS.match(species)
    return (letters[0] if letters else species.split(":")[0]).capitalize()


def _blocks(text: str, origin: str) -> dict[str, Rows]:
    blocks: dict[str, Rows] = {}
    name = ""
    for line in text.split("\n"):
        bare = _COMMENT.sub("", line)
        begin, end = _BLOCK.match(bare), _END.match(bare)
        if begin:
            name = begin[1].lower()
            if name in blocks:
                raise StructureError(f"{origin}: gives {name} twice; remove one")
            blocks[name] = []
        elif end:
            name = ""
        elif name and bare.strip():
            blocks[name].append(bare.split())
    if name:
        raise StructureError(
            f"{origin}: damaged or truncated: {name} has no end; export it again"
        )
    return blocks


def _only(
    blocks: dict[str, Rows], names: tuple[str, str], origin: str
) -> tuple[str, Rows]:
    """Return the one of two blocks that is there, and its name."""
    names_there = [name for name in names if name in blocks]
    if len(names_there) != 1:
        raise StructureError(
            f"{origin}: has {' and '.join(names_there) or 'neither'}, expected one of"
            f" {' and '.join(names)}; correct it"
        )
    return names_there[0], blocks[names_there[0]]


def _unit(rows: Rows, origin: str) -> tuple[float, Rows]:
    """Return the unit in angstrom that a block may begin with, and its other rows."""
    if not rows or len(rows[0]) != 1:
        return 1.0, rows
    unit = rows[0][0].lower()
    if unit not in _UNITS:
        raise StructureError(
            f"{origin}: unknown unit of length {unit[:40]!r}; write one of"
            f" {', '.join(_UNITS)}"
        )
    return _UNITS[unit], rows[1:]


def _cell(blocks: dict[str, Rows], origin: str) -> Floats:
    name, rows = _only(blocks, ("lattice_cart", "lattice_abc"), origin)
    factor, rows = _unit(rows, origin)
    size = 3 if name == "lattice_cart" else 2
    if len(rows) != size or any(len(row) != 3 for row in rows):
        raise StructureError(
            f"{origin}: damaged or truncated: {name} has {len(rows)} rows, expected"
            f" {size} of 3 numbers; export it again"
        )
    values = np.array([as_vector(row, origin) for row in rows])
    if name == "lattice_cart":
        return values * factor
    # Positions may be Cartesian: a lies along x, and b in the plane of x and y.
    try:
        lattice = Lattice.from_parameters(*values[0] * factor, *values[1], vesta=True)
    except (ValueError, ZeroDivisionError) as error:
        raise StructureError(
            f"{origin}: no cell has the angles {' '.join(rows[1])}; correct them"
        ) from error
    return np.array(lattice.matrix)
