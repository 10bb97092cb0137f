"""POSCAR, CONTCAR and XDATCAR of VASP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
from pymatgen.core import Element, Structure

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.programs.sites import as_vector, make_structure
from pyg_sitenet.data.structure.programs.vasp_head import (
    HEADER_LINES,
    Head,
    is_head,
    read_head,
    words_of,
)
from pyg_sitenet.errors import StructureError

_FLAGS = frozenset({"T", "F", ".TRUE.", ".FALSE."})


def read_poscar(text: str, origin: str) -> Structure:
    """Read a POSCAR: one or three scale factors or a volume, elements and positions.

    Raises:
        StructureError: If it names no elements, or its parts do not fit each other.
    """
    lines = text.split("\n")
    head = read_head(lines, origin)
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
    _check_alone(rows[head.count :], len(lines) - len(rows) + head.count, origin)
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
    head: Head | None = None
    number = 0
    for line in rest:
        where = f"{origin}, frame {number}"
        if head is None or not line.lower().lstrip().startswith("direct"):
            if not line.strip() and head is not None:
                continue
            head = read_head([line, *islice(rest, HEADER_LINES - 1)], where)
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


def _check_alone(rows: Sequence[str], lines_before: int, origin: str) -> None:
    """Refuse a second crystal behind the first and its velocities.

    Raises:
        StructureError: If there is one.
    """
    for place in range(len(rows)):
        counts = words_of(rows[place])
        if not counts or not all(word.isdecimal() for word in counts):
            continue
        for first in (place - HEADER_LINES + 1, place - HEADER_LINES + 2):
            if first >= 0 and is_head(list(rows[first : place + 2])):
                raise StructureError(
                    f"{origin}: another POSCAR, {rows[first].strip()[:40]!r}, begins in"
                    f" line {lines_before + first + 1}; give each crystal a file of its"
                    " own, or write them as extended XYZ"
                )


def _truncated(origin: str, have: int, count: int) -> StructureError:
    return StructureError(
        f"{origin}: damaged or truncated: {have} of {count} atoms; export it again"
    )
