"""POSCAR, CONTCAR and XDATCAR of VASP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

import numpy as np
from pymatgen.core import Element, Structure

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.programs.sites import (
    as_numbers,
    as_vector,
    make_structure,
)
from pyg_sitenet.errors import StructureError

_HEADER_LINES = 7
_FLAGS = frozenset({"T", "F", ".TRUE.", ".FALSE."})


@dataclass(frozen=True)
class _Head:
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


def read_poscar(text: str, origin: str) -> Structure:
    """Read a POSCAR: one or three scale factors or a volume, elements and positions.

    Raises:
        StructureError: If it names no elements, or its parts do not fit each other.
    """
    lines = text.split("\n")
    head = _head(lines, origin)
    body = lines[head.num_lines :]
    if len(body) < head.count + 1:
        raise StructureError(
            f"{origin}: damaged or truncated: says {head.count} atoms but has"
            f" {len(lines)} lines; export it again"
        )
    is_selective = body[0].strip().lower().startswith("s")
    mode, *rows = body[is_selective:]
    cartesian = mode.strip().lower().startswith(("c", "k"))
    atoms = [row.split() for row in rows[: head.count]]
    if len(atoms) < head.count:
        raise _truncated(origin, len(atoms), head.count)
    _check_end(rows[head.count :], head.count, origin)
    positions = np.array([as_vector(words, origin) for words in atoms])
    if cartesian:
        positions = positions * head.scale
    names = [_name_behind(words, 6 if is_selective else 3) for words in atoms]
    symbols = _agreed(head.symbols, names, origin)
    return make_structure(head.cell, symbols, positions, origin, cartesian=cartesian)


def read_xdatcar(lines: Iterable[str], origin: str) -> Iterator[Piece]:
    """Yield the frames of an XDATCAR, whose cell may change.

    Raises:
        StructureError: If a frame is cut off, after those before it.
    """
    rest = iter(lines)
    head: _Head | None = None
    number = 0
    for line in rest:
        where = f"{origin}, frame {number}"
        if head is None or not line.lower().lstrip().startswith("direct"):
            if not line.strip() and head is not None:
                continue
            head = _head([line, *islice(rest, _HEADER_LINES - 1)], where)
            if not head.names:
                raise _no_elements(origin)
            continue
        rows = [row.split() for row in islice(rest, head.count)]
        if len(rows) < head.count:
            raise _truncated(where, len(rows), head.count)
        frame = partial(_frame, head.cell, head.symbols, rows, where)
        yield Piece(str(number), where, frame)
        number += 1


def _frame(
    cell: Floats, symbols: list[str], rows: list[list[str]], origin: str
) -> Structure:
    positions = [as_vector(words, origin) for words in rows]
    return make_structure(cell, symbols, positions, origin, cartesian=False)


def _head(lines: list[str], origin: str) -> _Head:
    if len(lines) < _HEADER_LINES - 1:
        raise StructureError(
            f"{origin}: damaged, truncated: ends within its cell; export it again"
        )
    rows = np.array([as_vector(line.split(), origin) for line in lines[2:5]])
    scale = _scale(lines[1].split(), rows, origin)
    names, counts = _words(lines[5]), _words(lines[6] if len(lines) > 6 else "")
    num_lines = _HEADER_LINES
    if names and all(word.isdecimal() for word in names):
        names, counts, num_lines = [], names, _HEADER_LINES - 1
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
    return _Head(rows * scale, scale, names, numbers, num_lines)


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


def _words(line: str) -> list[str]:
    return line.split("!")[0].split()


def _symbol(name: str) -> str:
    """Return the element of a name such as ``Ga_d/1a2b3c4d``."""
    return name.split("/")[0].split("_")[0]


def _name_behind(words: list[str], place: int) -> str:
    """Return the element that may stand behind a position; three flags are none."""
    name = words[place] if len(words) > place else ""
    flags = [word.upper() for word in words[place : place + 3]]
    if len(flags) == 3 and _FLAGS.issuperset(flags):
        return ""
    return name if Element.is_valid_symbol(name) and name != "T" else ""


def _agreed(symbols: list[str], names: list[str], origin: str) -> list[str]:
    """Return the elements above the positions, or else those behind them."""
    if not symbols:
        if not all(names):
            raise _no_elements(origin)
        return names
    for number, (symbol, name) in enumerate(zip(symbols, names, strict=True), 1):
        if name and name != symbol:
            raise StructureError(
                f"{origin}: atom {number} is {symbol} by the numbers of atoms but"
                f" {name} by its own line; correct one"
            )
    return symbols


def _no_elements(origin: str) -> StructureError:
    return StructureError(
        f"{origin}: names no elements; write their symbols on the line above the"
        " numbers of atoms"
    )


def _check_end(rows: Sequence[str], count: int, origin: str) -> None:
    """Refuse a position behind the last; velocities begin with a line of their own.

    Raises:
        StructureError: If there is one.
    """
    try:
        as_vector(rows[0].split() if rows else [], origin)
    except StructureError:
        return
    raise StructureError(
        f"{origin}: has more positions than the {count} atoms it says; correct the"
        " numbers of atoms, or remove what does not belong to the crystal"
    )


def _truncated(origin: str, have: int, count: int) -> StructureError:
    return StructureError(
        f"{origin}: damaged or truncated: {have} of {count} atoms; export it again"
    )
