"""Rows of a table as crystals: which column is what, and where the files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pyg_sitenet.data.readers.cells import is_gap
from pyg_sitenet.data.readers.content import Content, content_of_cell, is_printed
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.file_names import id_of_file
from pyg_sitenet.data.readers.files.places import Place
from pyg_sitenet.data.readers.tables.row import (
    FILE_COLUMNS,
    ID_COLUMNS,
    STRUCTURE_COLUMNS,
    UNIT_COLUMNS,
    Row,
)
from pyg_sitenet.data.readers.tables.table import Table
from pyg_sitenet.data.readers.targets import TargetError
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError, StructureError

_UNIT_ENDINGS = ("_unit", " unit", "_units", " units")


class _RowError(Exception):
    """Why a row is no crystal, and what to do; never leaves this file."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


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
    """

    id: str | None
    structure: str | None
    unit_columns: Mapping[str, str]
    targets: tuple[str, ...]
    labels: tuple[str, ...] = ()
    styles: Mapping[str, Callable[[str], str]] = field(default_factory=dict)

    @classmethod
    def recognise(cls, table: Table) -> Columns:
        """Recognise the columns by their names; without any, the first holds ids.

        Names that several crystals share, such as polymorphs, are no ids where there
        are files or structures to tell them apart.
        """
        structure = table.column_of((*STRUCTURE_COLUMNS, *FILE_COLUMNS))
        shared = table.shared_names if structure is not None else ()
        id_ = table.column_of([name for name in ID_COLUMNS if name not in shared])
        if id_ is None and structure is None and table.columns:
            id_ = table.columns[0]
        columns = [c for c in table.columns if c not in (id_, structure)]
        names = {column for column in columns if column.lower() in shared}
        numbers = [c for c in columns if c in table.numbers and c not in names]
        units = {
            name: column
            for name in numbers
            if (
                column := table.column_of([f"{name.lower()}{u}" for u in _UNIT_ENDINGS])
            )
        }
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
        )

    def units(self, table: Table) -> dict[str, str]:
        """Return the units that headers state, or a column of units its first."""
        units = {
            name: table.units[name] for name in self.targets if name in table.units
        }
        for name, column in self.unit_columns.items():
            if column in table.stated:
                units.setdefault(name, table.stated[column])
        return units

    def units_of(self, row: Row, units: Mapping[str, str]) -> Mapping[str, str]:
        """Return the unit of each number of a row.

        Args:
            row: The row.
            units: Those of the table, which a row has that states none.
        """
        if not self.unit_columns:
            return units
        stated = {
            name: str(row.values[column]).strip()
            for name, column in self.unit_columns.items()
            if not is_gap(row.values.get(column))
        }
        return {**units, **stated}

    def cells(self, row: Row) -> Mapping[str, Any]:
        """Return the cells of a row, numbers written as programs do."""
        if not self.styles:
            return row.values
        return {
            name: self.styles[name](cell)
            if name in self.styles and isinstance(cell, str)
            else cell
            for name, cell in row.values.items()
        }


def row_entries(
    table: Table, place: Place, wanted: Wanted, used: set[str]
) -> Iterator[Entry | Failure]:
    """Yield the crystal of each row.

    Args:
        table: The rows.
        place: Where their files are.
        wanted: What to take of each row.
        used: Collects the files that rows name.
    """
    columns = Columns.recognise(table)
    units = columns.units(table)
    wanted = wanted.in_units(table.name, units)
    for row in table.rows():
        origin = f"{table.name}, row {row.number}"
        entry = Entry(_id_of_row(table, row, columns), origin, {})
        try:
            if row.problem:
                raise _RowError(row.problem, "correct the row")
            content = _content(row, columns, place, used)
            cells = columns.cells(row)
            values = wanted.values(cells, columns.units_of(row, units))
            group = wanted.group_of(cells)
        except TargetError as error:
            yield entry.fail(str(error), "correct the cell or remove the row")
        except _RowError as error:
            yield entry.fail(str(error), error.remedy)
        else:
            yield Entry(entry.id, origin, content, values, group)


def _id_of_row(table: Table, row: Row, columns: Columns) -> str:
    stated_id = row.values.get(columns.id) if columns.id else None
    # Without a column of structures ids are files, whatever they are called.
    if not is_gap(stated_id) or (
        str(stated_id or "").strip() and not columns.structure
    ):
        return str(stated_id).strip()
    cell = row.values.get(columns.structure) if columns.structure else None
    text = cell.strip() if isinstance(cell, str) else ""
    if text and not ("\n" in text or "{" in text or is_printed(text)):
        return id_of_file(text)
    stem = PurePosixPath(table.name.replace("\\", "/")).name.split(".")[0]
    return stem if table.count == 1 else f"{stem}-{row.number}"


def named_files(table: Table, place: Place) -> set[str]:
    """Return the files that the rows name, without reading them."""
    columns, used = Columns.recognise(table), set[str]()
    for row in table.rows():
        try:
            content = _content_of_row(row, columns)
        except _RowError:  # the row will say so
            continue
        if isinstance(content, str):
            used.update(place.find(_as_path(content)))
    return used


def _content_of_row(row: Row, columns: Columns) -> Content | str:
    """Return the structure in a row, or the text that names its file, maybe empty."""
    cell = row.values.get(columns.structure or columns.id or "")
    if isinstance(cell, Mapping):
        return cell
    text = "" if cell is None else str(cell)
    try:
        content = content_of_cell(text) if columns.structure else None
    except StructureError as error:
        reason, _, remedy = str(error).partition("; ")
        raise _RowError(reason, remedy) from error
    return text.strip() if content is None else content


def _content(row: Row, columns: Columns, place: Place, used: set[str]) -> Content:
    content = _content_of_row(row, columns)
    if not isinstance(content, str):
        return content
    if not content:
        raise _RowError(
            "names no structure", "fill in the structure, its file or its id"
        )
    return _find_file(content, place, used, is_named=columns.structure is not None)


def _find_file(key: str, place: Place, used: set[str], *, is_named: bool) -> Content:
    paths = place.find(_as_path(key))
    used.update(paths)
    if not paths:
        remedy = "add the file or remove the row"
        if not is_named:
            remedy += "; columns of files and structures are named file, structure, cif"
        raise _RowError(f"no structure file for {key!r:.80}", remedy)
    if len(paths) > 1:
        raise _RowError(
            f"{key!r} may be any of {', '.join(paths[:3])}", "give the file's path"
        )
    try:
        return place.content(paths[0])
    except DataError as error:
        raise _RowError(str(error), "repair or remove the file") from error


def _as_path(key: str) -> str:
    return key.replace("\\", "/").removeprefix("./")
