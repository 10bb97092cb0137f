"""A row of a table, and the names by which its columns are recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyg_sitenet.safe_text import text_of_cell

ID_COLUMNS = ("id", "material_id", "identifier", "entry_id", "mbid", "name")
STRUCTURE_COLUMNS = ("structure", "cif", "poscar", "atoms")
FILE_COLUMNS = ("file", "path", "filename", "file_name", "structure_file", "cif_file")
CRYSTAL_COLUMNS = (*STRUCTURE_COLUMNS, *FILE_COLUMNS)
NUM_SAMPLES = 20  # cells that tell what a column holds
UNIT_COLUMNS = ("unit", "units")
KNOWN_COLUMNS = frozenset({*ID_COLUMNS, *CRYSTAL_COLUMNS})


SHEET = "sheet.csv"
"""Names the cells of a spreadsheet, as a table like others."""
STORED = "\x1f"
"""Begins a cell of it that holds a number; blank to whatever reads it."""
PERCENT = "%"
"""Ends such a cell if it shows percent of the number that it holds."""


class StoredNumber(str):
    """A number as a spreadsheet holds it: no text, and so with a decimal point."""

    __slots__ = ()


class Percentage(StoredNumber):
    """A number that a spreadsheet holds as a share of 1 and shows in percent."""

    __slots__ = ()


def cell_of_sheet(text: str) -> str:
    """Return a cell of a spreadsheet, which tells numbers from texts."""
    if not text.startswith(STORED):
        return text_of_cell(text)
    number = text[1:].removesuffix(PERCENT)
    return Percentage(number) if text.endswith(PERCENT) else StoredNumber(number)


def is_text(cell: object) -> bool:
    """Tell whether the way in which a number in a cell is written says anything."""
    return isinstance(cell, str) and not isinstance(cell, StoredNumber)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Args:
        number: From 1, without the header.
        values: Value of each column.
        problem: Why the row could not be read, or nothing.
    """

    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Units:
    """A line of a table that states units rather than holding a crystal.

    Args:
        by_column: Unit of each column.
    """

    by_column: Mapping[str, str]
