"""Which column of a table is what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyg_sitenet.data.readers.cells import is_gap
from pyg_sitenet.data.readers.tables.row import (
    CRYSTAL_COLUMNS,
    FILE_COLUMNS,
    ID_COLUMNS,
    KNOWN_COLUMNS,
    STRUCTURE_COLUMNS,
    UNIT_COLUMNS,
    Percentage,
    Row,
    is_text,
)
from pyg_sitenet.data.readers.tables.table import Table
from pyg_sitenet.data.readers.units import WHOLE

Find = Callable[[str], Sequence[str]]
# At the end of a heading: "/ %", "(%)", "in percent"; but not of weight or atoms.
_PERCENT = re.compile(r"(?:%|\bper ?cent)\s*[)\]]?\s*$", re.I)
_PERCENT_OF = re.compile(
    r"\b(?:wt|at|mol|vol|mass|weight|atom|atomic|mole|volume)\b[.\s-]*(?:%|per ?cent)",
    re.I,
)
_UNIT_ENDINGS = ("_unit", " unit", "_units", " units")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Args:
        id: Holds the ids; if there is none, files or row numbers give them.
        structure: Holds structures, or the paths of their files; if there is none,
            the ids name the files.
        unit_columns: For each target the column that holds its unit, if there is one.
        targets: All columns that hold numbers.
        labels: All that hold text or booleans.
        styles: What writes the numbers of a column as programs do, where that is not
            how they are written.
        percentages: Columns with cells that a spreadsheet shows in percent.
    """

    id: str | None
    structure: str | None
    unit_columns: Mapping[str, str]
    targets: tuple[str, ...]
    labels: tuple[str, ...] = ()
    styles: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    percentages: frozenset[str] = frozenset()

    @classmethod
    def recognise(cls, table: Table, find: Find) -> Columns:
        """Recognise the columns by their names; without any, the first holds ids.

        Names that several crystals share, such as polymorphs, are no ids where there
        are files or structures to tell them apart.
        """
        structure = _structure_column(table, find)
        shared = table.shared_names if structure is not None else ()
        id_ = table.column_of([name for name in ID_COLUMNS if name not in shared])
        if id_ is None and structure is None and table.columns:
            id_ = table.columns[0]
        columns = [c for c in table.columns if c not in (id_, structure)]
        names = {column for column in columns if column.lower() in shared}
        numbers = [c for c in columns if c in table.numbers and c not in names]
        units = unit_columns(table.columns, numbers)
        unit = table.column_of(UNIT_COLUMNS)
        if unit is not None and len(numbers) == 1:
            units.setdefault(numbers[0], unit)
        used = set(units.values())
        return cls(
            id_,
            structure,
            units,
            tuple(name for name in numbers if name not in used),
            tuple(name for name in columns if name in (table.labels | names) - used),
            {name: table.styles[name] for name in columns if name in table.styles},
            frozenset(table.percentages),
        )

    def units(self, table: Table) -> dict[str, str]:
        """Return the units that headers state, or a column of units its first.

        A heading that ends in it, such as ``share / %``, states percent if cells do.
        """
        units = {
            name: table.units[name] for name in self.targets if name in table.units
        }
        for name, column in self.unit_columns.items():
            if column in table.stated:
                units.setdefault(name, table.stated[column])
        for name in self.percentages.intersection(self.targets):
            if _PERCENT.search(name) and not _PERCENT_OF.search(name):
                units.setdefault(name, "%")
        return units

    def units_of(self, row: Row, units: Mapping[str, str]) -> Mapping[str, str]:
        """Return the unit of each number of a row.

        Args:
            row: The row.
            units: Those of the table, which a row has that states none.
        """
        if not (self.unit_columns or self.percentages):
            return units
        stated = {
            name: str(row.values[column]).strip()
            for name, column in self.unit_columns.items()
            if not is_gap(row.values.get(column))
        }
        shown = {
            name: WHOLE
            for name in self.percentages
            if isinstance(row.values.get(name), Percentage)
        }
        return {**units, **stated, **shown}

    def cells(self, row: Row) -> Mapping[str, Any]:
        """Return the cells of a row, numbers written as programs do."""
        if not self.styles:
            return row.values
        return {
            name: self.styles[name](cell)
            if name in self.styles and is_text(cell)
            else cell
            for name, cell in row.values.items()
        }


def unit_columns(columns: Iterable[str], numbers: Iterable[str]) -> dict[str, str]:
    """Return what has the unit of each number by its name, if there is any.

    Example:
        >>> unit_columns(["gap", "Gap_unit", "unit"], ["gap", "density"])
        {'gap': 'Gap_unit'}
    """
    lower = {column.lower(): column for column in columns}
    return {
        name: lower[key]
        for name in numbers
        for ending in reversed(_UNIT_ENDINGS)  # the first of them counts
        if (key := f"{name.lower()}{ending}") in lower
    }


def _structure_column(table: Table, find: Find) -> str | None:
    """Return the column of structures or files, None if the ids name the files.

    What only has the name of one may hold kinds of structures or numbers of atoms: it
    is decided by what the cells hold, and else by the files that they name.
    """
    samples = {name: table.samples.get(name, ()) for name in KNOWN_COLUMNS}
    evident = [n for n in CRYSTAL_COLUMNS if 2 * samples[n].count("") > len(samples[n])]
    if evident:
        return table.column_of(evident)
    numbers = {name.lower() for name in table.numbers}
    texts = [name for name in STRUCTURE_COLUMNS if name not in numbers]
    others = [name for name in STRUCTURE_COLUMNS if name not in (*texts, "atoms")]
    found = {
        name: sum(not cell or bool(find(cell)) for cell in samples[name])
        for name in (*texts, *FILE_COLUMNS, *others, *ID_COLUMNS)
    }
    best = max(found, key=found.__getitem__)  # the first of equal ones
    if found[best]:
        return None if best in ID_COLUMNS else table.column_of((best,))
    return table.column_of((*FILE_COLUMNS, *texts, *others))
