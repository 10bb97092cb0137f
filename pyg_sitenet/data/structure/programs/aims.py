"""``geometry.in`` of FHI-aims."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Structure

from pyg_sitenet.data.structure.programs.sites import (
    as_vector,
    inverse_cell,
    make_structure,
)
from pyg_sitenet.errors import StructureError


def read_aims(text: str, origin: str) -> Structure:
    """Read lattice vectors and atoms, in angstrom or fractional.

    Raises:
        StructureError: If it has no three lattice vectors, or sites that are no atoms.
    """
    words = [line.split("#")[0].split() for line in text.split("\n")]
    rows = [[row[0].lower(), *row[1:]] for row in words if row]
    cell = [as_vector(row[1:], origin) for row in rows if row[:1] == ["lattice_vector"]]
    if len(cell) != 3:
        raise StructureError(
            f"{origin}: a molecule or slab without periodicity ({len(cell)} lattice"
            " vectors); give a crystal, periodic in three directions"
        )
    inverse = inverse_cell(np.array(cell), origin)
    symbols, places = [], []
    for row in rows:
        if row[:1] in (["empty"], ["pseudocore"], ["multipole"]):
            raise StructureError(
                f"{origin}: {row[0]!r} is no atom; remove sites that are none"
            )
        if row[:1] not in (["atom"], ["atom_frac"]):
            continue
        place = as_vector(row[1:4], origin)
        symbols.append(row[4] if len(row) > 4 else "")
        places.append(place if row[0] == "atom_frac" else place @ inverse)
    return make_structure(cell, symbols, places, origin, cartesian=False)
