"""The head of POSCAR, CONTCAR and XDATCAR: scale, cell, elements and their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from pymatgen.core import Element

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.programs.sites import as_numbers, as_vector
from pyg_sitenet.errors import StructureError

HEADER_LINES = 7
"""Of a head that names the elements."""
_MODE = re.compile(r"\s*(?:d(?:ir\w*)?|[ck](?:art\w*)?|s(?:el\w*)?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Head:
    """What stands above the positions.

    Args:
        cell: Lattice vectors in rows, angstrom.
        scale: What Cartesian positions are multiplied by, for x, y and z.
        names: Of the elements; nothing if the file names none.
        numbers: Of atoms, of each element.
        num_lines: Lines of it.
    """

    cell: Floats
    scale: Floats
    names: list[str]
    numbers: list[int]
    num_lines: int

    @property
    def count(self) -> int:
        """Number of atoms that the file says it has."""
        return sum(self.numbers)

    @property
    def symbols(self) -> list[str]:
        """Elements of the atoms; to be asked for when they are counted."""
        pairs = zip(self.names, self.numbers, strict=False)
        return [_symbol(name) for name, number in pairs for _ in range(number)]


def read_head(lines: list[str], origin: str) -> Head:
    """Read what the first lines of a file say, or those of a frame.

    Raises:
        StructureError: If they are cut off, or no head.
    """
    if len(lines) < HEADER_LINES - 1:
        raise StructureError(
            f"{origin}: damaged, truncated: ends within its cell; export it again"
        )
    rows = np.array([as_vector(line.split(), origin) for line in lines[2:5]])
    scale = _scale(lines[1].split(), rows, origin)
    names, counts = words_of(lines[5]), words_of(lines[6] if len(lines) > 6 else "")
    num_lines = HEADER_LINES
    if names and all(word.isdecimal() for word in names):
        names, counts, num_lines = [], names, HEADER_LINES - 1
    if not counts or not all(word.isdecimal() for word in counts):
        raise StructureError(
            f"{origin}: damaged, truncated or no POSCAR: expected numbers of atoms,"
            f" got {' '.join(counts)[:80]!r}; export it again"
        )
    if names and len(names) != len(counts):
        raise StructureError(
            f"{origin}: {len(names)} elements ({' '.join(names)[:80]}) but"
            f" {len(counts)} numbers of atoms ({' '.join(counts)[:80]}); correct one"
        )
    numbers = [int(word[:18]) for word in counts]
    if not any(numbers):
        raise StructureError(f"{origin}: damaged: says 0 atoms; export it again")
    return Head(rows * scale, scale, names, numbers, num_lines)


def is_head(lines: list[str]) -> bool:
    """Tell whether lines begin with a head.

    Numbers alone may be velocities, a remark or any table: a line of elements belongs
    to a head, or one behind it that says how the positions are meant.
    """
    try:
        head = read_head(lines, "")
    except StructureError:
        return False
    names = [_symbol(name) for name in head.names]
    if names and all(map(Element.is_valid_symbol, names)):
        return True
    behind = lines[head.num_lines : head.num_lines + 1]
    return any(map(_MODE.match, behind))


def _scale(words: list[str], rows: Floats, origin: str) -> Floats:
    """Return the factors of x, y and z; a negative number is the volume in A^3."""
    counts = list(chain.from_iterable(_leading_numbers(words, origin)))
    if len(counts) == 3 and min(counts) > 0:
        return np.array(counts)
    if len(counts) != 1 or not np.isfinite(counts[0]) or counts[0] == 0:
        raise StructureError(
            f"{origin}: damaged: the scale {' '.join(words)[:80]!r} is neither one"
            " factor, a negative volume nor three positive factors; correct it"
        )
    factor = counts[0]
    if factor < 0:
        volume = abs(np.linalg.det(rows))
        if not volume > 0:
            raise StructureError(
                f"{origin}: the cell has no volume; correct the lattice vectors"
            )
        factor = (-factor / volume) ** (1 / 3)
    return np.full(3, factor)


def _leading_numbers(words: list[str], origin: str) -> Iterator[list[float]]:
    for word in words:
        try:
            yield list(as_numbers([word], origin))
        except StructureError:
            return  # a comment


def words_of(line: str) -> list[str]:
    """Return the words of a line before a comment."""
    return line.split("!")[0].split()


def _symbol(name: str) -> str:
    """Return the element of a name such as ``Ga_d/1a2b3c4d``."""
    return name.split("/")[0].split("_")[0]
