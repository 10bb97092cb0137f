"""Wyckoff letters of a CIF, compared with the positions that its space group has.

Another origin or other axes give the same positions other letters, but each letter
keeps its number of sites and of free coordinates: only these are compared.

The two numbers in ``wyckoff.csv`` were derived from the lists of PyXtal
(https://github.com/MaterSim/PyXtal, MIT licence; S. Fredericks and others, Computer
Physics Communications 261, 107810, 2021; their notice is ``wyckoff.LICENSE``), and
``scripts/make_wyckoff.py`` makes the same table from spglib.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.cif.atoms import Row
from pyg_sitenet.data.structure.cif.symmetry.operations import Group
from pyg_sitenet.data.structure.cif.values import Values, is_null
from pyg_sitenet.errors import StructureError

_TABLE = Path(__file__).with_name("wyckoff.csv")
_LETTERS = "abcdefghijklmnopqrstuvwxyzA"
_SYMBOL = re.compile(r"^\.?(\d*)\s*\(?([a-zA-Z])\)?$")
# Fractional: a site this close to its image under an operation is left by it.
_ROUNDING = 0.01


class Position(NamedTuple):
    """What a Wyckoff letter means, whatever the origin.

    Args:
        multiplicity: Sites in a primitive cell.
        freedom: Coordinates that are free.
    """

    multiplicity: int
    freedom: int


def stated_symbols(rows: Sequence[Row], values: Values) -> list[tuple[int, str]]:
    """Return the multiplicity (0 if not given) and the letter that each atom has."""
    tags = ("_atom_site_wyckoff_symbol", "_atom_site_wyckoff_letter")
    texts = values.cells((row.number for row in rows), *tags)
    matches = [None if is_null(text) else _SYMBOL.match(text) for text in texts]
    return [(int(m[1][:6] or 0), m[2]) if m else (0, "") for m in matches]


def check_letters(
    rows: Sequence[Row], counts: Sequence[int], group: Group, values: Values
) -> None:
    """Refuse letters that the positions of the atoms cannot have.

    Raises:
        StructureError: If a letter has another number of sites or of free coordinates,
            or if atoms on different sites have one that stands for one set of sites.
    """
    lettered = [
        (row, count, _plain(letter, group))
        for row, count, (_, letter) in zip(
            rows, counts, stated_symbols(rows, values), strict=True
        )
        if letter
    ]
    number = group.setting.number if group.setting is not None else 0
    if not lettered or number < 2:  # of P 1, all atoms may be listed with their letters
        return
    for row, count, letter in lettered:
        _check_letter(row, count, letter, group, values.origin)
    for (row, _, letter), (other, _, second) in combinations(lettered, 2):
        is_one_set = _position(letter, number).freedom == 0
        if letter == second and is_one_set and not _is_image(row, other, group):
            raise StructureError(
                f"{values.origin}: atoms {row.number} ({row.label}) and {other.number}"
                f" ({other.label}) are both stated to be on Wyckoff position {letter}"
                f" of {_name(group)}, which is one set of sites, but are on different"
                " ones; correct the letter or the position"
            )


def _check_letter(row: Row, count: int, letter: str, group: Group, origin: str) -> None:
    number = int(group.setting.number) if group.setting is not None else 0
    where = f"{origin}: atom {row.number} ({row.label}) is stated to be on Wyckoff"
    where = f"{where} position {letter} of {_name(group)}"
    if letter not in _LETTERS[: len(_positions()[number])]:
        raise StructureError(f"{where}, which has no such letter; correct it")
    position = _position(letter, number)
    centrings = int((group.rotations == np.eye(3)).all(axis=(1, 2)).sum())
    if position.multiplicity * centrings != count:
        raise StructureError(
            f"{where}, {position.multiplicity * centrings} sites, but its"
            f" {len(group)} symmetry operations make {count}; correct the symmetry, the"
            " letter or the position"
        )
    stays = _fixing(row, group)
    freedom = 3 - int(np.linalg.matrix_rank((stays - np.eye(3)).reshape(-1, 3)))
    if len(stays) * count == len(group) and freedom != position.freedom:
        raise StructureError(
            f"{where}, which has {position.freedom} free coordinates, but its site has"
            f" {freedom}; correct the letter or the position"
        )


def _fixing(row: Row, group: Group) -> Floats:
    """Return the rotations of the operations that leave a site where it is."""
    steps = group.rotations @ np.array(row.position) + group.translations
    steps = steps - np.array(row.position)
    stays = np.abs(steps - np.rint(steps)).max(axis=1) < _ROUNDING
    fixing: Floats = group.rotations[stays]
    return fixing


def _is_image(row: Row, other: Row, group: Group) -> bool:
    steps = group.rotations @ np.array(row.position) + group.translations
    steps = steps - np.array(other.position)
    return bool((np.abs(steps - np.rint(steps)).max(axis=1) < 2 * _ROUNDING).any())


def _plain(letter: str, group: Group) -> str:
    """Return a letter in lower case; only P m m m has a 27th, A."""
    is_last = letter == "A" and group.setting is not None and group.setting.number == 47
    return letter if is_last else letter.lower()


def _name(group: Group) -> str:
    return "" if group.setting is None else group.setting.xhm()


def _position(letter: str, number: int) -> Position:
    return _positions()[number][_LETTERS.index(letter)]


@lru_cache(maxsize=1)
def _positions() -> dict[int, tuple[Position, ...]]:
    """Return the positions of each type of space group, in the order of letters."""
    with _TABLE.open(newline="", encoding="ascii") as file:
        rows = list(csv.reader(file))[1:]
    table = {}
    for number, text in rows:
        pairs = [entry.split(".") for entry in text.split()]
        table[int(number)] = tuple(Position(int(n), int(f)) for n, f in pairs)
    return table
