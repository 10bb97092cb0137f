"""Inputs and outputs of ``pw.x`` of Quantum ESPRESSO, read by ASE."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial

from ase import Atoms
from ase.io.espresso import read_espresso_in, read_espresso_out

from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.errors import StructureError

_IBRAV = re.compile(r"^[^!\n]*\bibrav\s*=\s*(-?\d+)", re.MULTILINE | re.IGNORECASE)
_SLAB = re.compile(r"^[^!\n]*\bassume_isolated\s*=", re.MULTILINE | re.IGNORECASE)


def read_pw_input(text: str, origin: str) -> Atoms:
    """Read an input whose cell is given as vectors.

    Raises:
        StructureError: If the cell is given by the number of a lattice, or if it is
            meant as a molecule or slab.
    """
    lattice = _IBRAV.search(text)
    if lattice and int(lattice[1][:9]) != 0:
        raise StructureError(
            f"{origin}: gives its cell as ibrav = {lattice[1][:9]}, which is not read;"
            " convert it to CIF, or use ibrav = 0 and CELL_PARAMETERS"
        )
    if _SLAB.search(text):
        raise StructureError(
            f"{origin}: a molecule or slab without periodicity (assume_isolated); give"
            " a crystal"
        )
    atoms = read_espresso_in(io.StringIO(text))
    if not isinstance(atoms, Atoms):
        raise StructureError(f"{origin}: holds no atoms")
    return atoms


def read_pw_output(text: str, origin: str) -> Iterator[Piece]:
    """Yield the structures of an output that have results."""
    frames = read_espresso_out(io.StringIO(text), slice(None))
    for number, atoms in enumerate(frames):
        yield Piece(str(number), f"{origin}, frame {number}", partial(_same, atoms))


def _same(atoms: Atoms) -> Atoms:
    return atoms
