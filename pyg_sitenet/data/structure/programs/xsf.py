"""XSF of XCrySDen: crystals and animations of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from pymatgen.core import Structure

from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.programs.sites import as_vector, make_structure
from pyg_sitenet.errors import StructureError

_OTHERS = ("SLAB", "POLYMER", "MOLECULE", "ATOMS")
Rows = list[list[str]]


def read_xsf(lines: Iterable[str], origin: str) -> Iterator[Piece]:
    """Yield the structures of a file; lattice vectors and positions are in angstrom.

    Raises:
        StructureError: If it is no crystal or cut off.
    """
    rest = _without_comments(lines)
    cell: Rows = []
    is_crystal = False
    number = 0
    for line in rest:
        key = line.split()[0].upper()
        if key in _OTHERS or (
            key == "DIM-GROUP" and next(rest, "").split()[:1] != ["3"]
        ):
            raise StructureError(
                f"{origin}: a molecule or slab without periodicity ({key}); give a"
                " crystal, periodic in three directions"
            )
        is_crystal = is_crystal or key in ("CRYSTAL", "DIM-GROUP")
        if key in ("PRIMVEC", "CONVVEC"):
            vectors = _take(rest, 3, origin)
            cell = vectors if key == "PRIMVEC" else cell
        elif key == "CONVCOORD":
            _take(rest, _count(next(rest, "").split()[:1], origin), origin)
        elif key == "PRIMCOORD":
            count = next(rest, "").split()[:1]
            atoms = _take(rest, _count(count, origin), origin)
            if not (is_crystal and cell):
                raise StructureError(
                    f"{origin}: damaged: no CRYSTAL with PRIMVEC above its atoms"
                )
            where = f"{origin}, frame {number}"
            yield Piece(str(number), where, partial(_structure, cell, atoms, where))
            number += 1
        elif len(line.split()) > 3:
            raise StructureError(
                f"{origin}: damaged: {line[:60]!r} belongs to nothing, are there more"
                " atoms than PRIMCOORD says? correct their number"
            )


def _without_comments(lines: Iterable[str]) -> Iterator[str]:
    """Leave out comments and the blocks of values on grids."""
    block = ""
    for line in lines:
        text = line.split("#")[0].strip()
        if block:
            block = "" if text.upper().startswith("END_BLOCK") else block
        elif text.upper().startswith("BEGIN_BLOCK"):
            block = text
        elif text:
            yield text


def _count(words: list[str], origin: str) -> int:
    if not words or not words[0].isdecimal():
        raise StructureError(
            f"{origin}: damaged, truncated: expected a number of atoms, got {words};"
            " export it again"
        )
    return int(words[0][:9])


def _take(lines: Iterator[str], count: int, origin: str) -> Rows:
    rows = [line.split() for line in islice(lines, count)]
    if len(rows) < count:
        raise StructureError(
            f"{origin}: damaged or truncated: {len(rows)} of {count} lines; export it"
            " again"
        )
    return rows


def _structure(cell: Rows, atoms: Rows, origin: str) -> Structure:
    vectors = [as_vector(row, origin) for row in cell]
    positions = [as_vector(row[1:], origin) for row in atoms]
    symbols = [row[0] for row in atoms]
    return make_structure(
        vectors, symbols, positions, origin, cartesian=True, numbers=True
    )
