"""What every reader needs: numbers, elements and a structure made of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.errors import StructureError

# Angstrom: CODATA 2018.
BOHR = 0.529177210903


def as_numbers(words: Sequence[str], origin: str) -> Floats:
    """Return what Fortran and Python write as numbers, ``1.5d0`` too.

    Raises:
        StructureError: If one of them is none.
    """
    try:
        if any("_" in word for word in words):
            raise ValueError("an underscore is no digit")
        return np.array(
            [float(word.lower().replace("d", "e")) for word in words], dtype=float
        )
    except ValueError as error:
        raise StructureError(
            f"{origin}: damaged, truncated or not of its format: expected numbers, got"
            f" {' '.join(words)[:80]!r}; export it again"
        ) from error


def as_vector(words: Sequence[str], origin: str) -> Floats:
    """Return the three numbers that a line begins with.

    Raises:
        StructureError: If it does not begin with three numbers.
    """
    if len(words) < 3:
        raise StructureError(
            f"{origin}: damaged, truncated or not of its format: expected three"
            f" numbers, got {' '.join(words)[:80]!r}; export it again"
        )
    return as_numbers(words[:3], origin)


def as_element(symbol: str, origin: str, *, numbers: bool = False) -> Element:
    """Return the element of a symbol, or of an atomic number where a format has them.

    Raises:
        StructureError: If there is none.
    """
    if numbers and symbol.isdecimal() and 0 < int(symbol[:9]) < 119:
        return Element.from_Z(int(symbol))
    if not Element.is_valid_symbol(symbol):
        raise StructureError(
            f"{origin}: {symbol[:40]!r} is not a chemical element; replace dummy and"
            " unknown atoms by real ones"
        )
    return Element(symbol)


def inverse_cell(cell: Floats, origin: str) -> Floats:
    """Return the inverse of lattice vectors, in rows.

    Raises:
        StructureError: If they are not finite (numpy may never end its search for the
            inverse of such), or have no volume.
    """
    if not np.isfinite(cell).all():
        raise StructureError(
            f"{origin}: lattice vectors are not finite numbers; correct them"
        )
    if not abs(np.linalg.det(cell)) > 0:
        raise StructureError(
            f"{origin}: the cell has no volume; correct the lattice vectors"
        )
    return np.asarray(np.linalg.inv(cell), dtype=np.float64)


def make_structure(
    cell: Sequence[Floats] | Floats,
    symbols: Sequence[str],
    positions: Sequence[Floats] | Floats,
    origin: str,
    *,
    cartesian: bool,
    numbers: bool = False,
) -> Structure:
    """Build the structure that a file lists.

    Args:
        cell: Lattice vectors in rows, angstrom.
        symbols: Of each site.
        positions: Of each site, fractional or in angstrom.
        origin: What messages begin with.
        cartesian: Whether the positions are in angstrom.
        numbers: Whether symbols may be atomic numbers; of other formats, numbers are
            types that name no element.

    Raises:
        StructureError: If a symbol names no element, or the cell has no volume.
    """
    rows, species = np.array(cell, dtype=float), {}
    for symbol in symbols:
        if symbol not in species:
            species[symbol] = as_element(symbol, origin, numbers=numbers)
    frac = np.array(positions, dtype=float).reshape(len(symbols), 3)
    if cartesian:
        frac = frac @ inverse_cell(rows, origin)
    return Structure(Lattice(rows), [species[symbol] for symbol in symbols], frac)
