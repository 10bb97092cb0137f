"""Extended XYZ: frames that state their cell, read by ASE one by one."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

from ase import Atoms
from ase.data import atomic_numbers
from ase.io.extxyz import read_xyz

from pyg_sitenet.data.structure.occupancy import warn_of_isotopes
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import MAX_TEXT_BYTES, too_long
from pyg_sitenet.errors import StructureError

# ASE makes a name for each column that a frame says its atoms have.
_MAX_COLUMNS = 10_000
_SEPARATED = re.compile(
    r"""(\w+)["']?\s*=\s*["']?([+-]?(?:[\d.]*\d_\d[\w.+-]*|\d+,\d+(?=["'\s]|$)))"""
)
_ITEM = re.compile(
    r"""(?:^|(?<=\s))["']?(?P<key>[\w-]+)["']?\s*=\s*(?P<value>"[^"]*"|'[^']*'|\S*)"""
)
_KINDS = re.compile(r"(?<=:)[sril](?=:\d)")
_COLUMNS = re.compile(r":\s*\+?(\d[\d_]*)")
_SPECIES = re.compile(r"(?<!\w)(?:species|symbols):S:")
_NUMBERS = ("atomic_numbers", "atomic_number")  # which ASE leaves beside the atoms
_ISOTOPES = {"D": 1, "T": 1}


def read_extended_xyz(lines: Iterable[str], origin: str) -> Iterator[Piece]:
    """Yield the frames of a file.

    Raises:
        StructureError: If a frame is cut off, after those before it.
    """
    rest = iter(lines)
    number, line = 0, next(rest, None)
    while line is not None:
        if not line.strip():
            line = next(rest, None)
            continue
        where = f"{origin}, frame {number}"
        frame = [line, *_first_lines(rest, _count(line, where) + 1, where)]
        frame[1] = _in_capitals(frame[1])
        _check_columns(frame[1], where)
        line = next(rest, None)
        while line is not None and line.lstrip().startswith("VEC"):
            frame.append(line)  # a lattice vector, as ADF writes them
            line = next(rest, None)
        yield Piece(str(number), where, partial(_frame, "".join(frame), where))
        number += 1


def _in_capitals(comment: str) -> str:
    """Write keys and kinds of columns in capitals, as ASE alone knows them.

    A frame that has the key in capitals may have its own in small letters.
    """
    for key in ("Lattice", "Properties"):
        items = {item["key"]: item for item in _ITEM.finditer(comment)}
        own = next((items[name] for name in items if name.lower() == key.lower()), None)
        item = items.get(key, own)
        if item is None:
            continue
        value = item["value"]
        if key == "Properties":
            value = _KINDS.sub(lambda kind: kind[0].upper(), value)
        start, end = item.span("key")[0], item.span("value")[1]
        between = comment[item.end("key") : item.start("value")]
        comment = f"{comment[:start]}{key}{between}{value}{comment[end:]}"
    return comment


def _count(line: str, origin: str) -> int:
    word = line.strip()
    if not word.isdecimal() or len(word) > 9:
        raise StructureError(
            f"{origin}: damaged, truncated or no xyz: expected a number of atoms, got"
            f" {word[:40]!r}; export it again"
        )
    return int(word)


def _first_lines(lines: Iterator[str], count: int, origin: str) -> list[str]:
    frame, length = [], 0
    for line in islice(lines, count):
        frame.append(line)
        length += len(line)
        if length > MAX_TEXT_BYTES:
            raise too_long(origin, StructureError)
    if len(frame) < count:
        raise StructureError(
            f"{origin}: cannot be read, it is damaged, truncated: {len(frame) - 1} of"
            f" {count - 1} atoms; export it again"
        )
    return frame


def _check_columns(comment: str, origin: str) -> None:
    _, _, properties = comment.partition("Properties")
    numbers = (text.replace("_", "")[:9] for text in _COLUMNS.findall(properties))
    count = sum(map(int, numbers))
    if count > _MAX_COLUMNS:
        raise StructureError(
            f"{origin}: damaged: its Properties are {count} columns, more than"
            f" {_MAX_COLUMNS}; export it again"
        )


def _frame(text: str, origin: str) -> Atoms:
    with _isotopes_known():
        (atoms,) = read_xyz(io.StringIO(text), slice(None))
    if not isinstance(atoms, Atoms):
        raise StructureError(f"{origin}: holds no atoms")
    _keep_text(atoms, text)
    symbols = _symbols(text)[: len(atoms)]
    _check_elements(atoms, symbols, origin)
    warn_of_isotopes(symbols, origin)
    return atoms


def _symbols(text: str) -> list[str]:
    """Return the symbols of the atoms as they are written, none without a column."""
    _, comment, *atoms = text.split("\n")
    match = _SPECIES.search(comment)
    before = comment[: match.start() if match else None]
    _, _, columns = before.partition("Properties")
    place = sum(int(count) for count in _COLUMNS.findall(columns))
    words = (line.split()[place : place + 1] for line in atoms)
    return [symbol.capitalize() for word in words for symbol in word]


def _check_elements(atoms: Atoms, symbols: Sequence[str], origin: str) -> None:
    """Refuse atoms that two columns say to be of different elements.

    Raises:
        StructureError: If there are some; of two columns ASE would take one.
    """
    known = {**atomic_numbers, **_ISOTOPES}
    columns = [("species", [known.get(symbol) for symbol in symbols])]
    columns += [(k, list(atoms.arrays[k])) for k in _NUMBERS if k in atoms.arrays]
    for name, stated in columns:
        pairs = zip(stated, atoms.numbers, strict=False)
        for place, (number, taken) in enumerate(pairs, 1):
            if number is not None and number != taken:
                said = symbols[place - 1] if name == "species" else number
                raise StructureError(
                    f"{origin}: atom {place} is {said} by the column {name!r} but of"
                    f" the atomic number {taken} by another; correct or remove one"
                )


def _keep_text(atoms: Atoms, text: str) -> None:
    """Take values such as 1_10 and 5,5, to ASE 110 and two numbers, as they stand."""
    comment = text.partition("\n")[2].partition("\n")[0]
    for name, value in _SEPARATED.findall(comment):
        atoms.info[name] = value
        if atoms.calc is not None:
            atoms.calc.results.pop(name, None)


@contextmanager
def _isotopes_known() -> Iterator[None]:
    """Let ASE, which knows no symbols of isotopes, read deuterium as hydrogen."""
    added = _ISOTOPES.items() - atomic_numbers.items()
    atomic_numbers.update(added)
    try:
        yield
    finally:
        for symbol, _ in added:
            del atomic_numbers[symbol]
