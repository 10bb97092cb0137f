"""Rows of a table as crystals, with the files that they name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from posixpath import basename, dirname

from pyg_sitenet.data.readers.cells import is_gap
from pyg_sitenet.data.readers.content import Content, content_of_cell, is_structure_text
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.documents import find_files
from pyg_sitenet.data.readers.files.file_names import id_of_file
from pyg_sitenet.data.readers.files.places import Place
from pyg_sitenet.data.readers.tables.columns import Columns
from pyg_sitenet.data.readers.tables.place_tables import table_file
from pyg_sitenet.data.readers.tables.row import STRUCTURE_COLUMNS, Row
from pyg_sitenet.data.readers.tables.table import Table, read_table
from pyg_sitenet.data.readers.targets import TargetError
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError, StructureError

_REPAIR = "repair the table or remove it"


class _RowError(Exception):
    """Why a row is no crystal, and what to do; never leaves this file."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


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
    columns = Columns.recognise(table, partial(find_files, place))
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


def rows_beside_files(
    place: Place, names: Sequence[str], files: Sequence[str]
) -> tuple[list[Callable[[], Iterator[Entry | Failure]]], list[str]]:
    """Open tables of structures that are read beside files.

    A row with the name of a file of the same folder is taken to be the same crystal.

    Args:
        place: Folder or archive.
        names: The tables.
        files: What is read anyway.

    Returns:
        What starts a pass over the other rows of each table, and how many are not read.
    """
    starts: list[Callable[[], Iterator[Entry | Failure]]] = []
    notes = []
    for name in names:
        beside = {id_of_file(basename(k)) for k in files if dirname(k) == dirname(name)}
        try:
            table = read_table(table_file(place, name))
        except DataError as error:
            origin, reason = place.origin(name), str(error)
            failure = Failure(origin, id_of_file(name), "table", reason, _REPAIR)
            starts.append(partial(iter, [failure]))
            continue
        starts.append(partial(_rows_but, beside, table, place))
        columns = Columns.recognise(table, partial(find_files, place))
        rows = table.rows() if beside else ()
        count = sum(_id_of_row(table, row, columns) in beside for row in rows)
        if count == 1:
            notes.append(f"1 row of {name} has the name of a file and is not read")
        elif count:
            notes.append(
                f"{count} rows of {name} have the names of files and are not read"
            )
    return starts, notes


def _rows_but(
    ids: Collection[str], table: Table, place: Place
) -> Iterator[Entry | Failure]:
    entries = row_entries(table, place, Wanted(), set())
    return (entry for entry in entries if entry.id not in ids)


def _id_of_row(table: Table, row: Row, columns: Columns) -> str:
    stated_id = row.values.get(columns.id) if columns.id else None
    # Without a column of structures ids are files, whatever they are called.
    if not is_gap(stated_id) or (
        str(stated_id or "").strip() and not columns.structure
    ):
        return str(stated_id).strip()
    cell = row.values.get(columns.structure) if columns.structure else None
    text = cell.strip() if isinstance(cell, str) else ""
    if text and not is_structure_text(text):
        return id_of_file(text)
    stem = PurePosixPath(table.name.replace("\\", "/")).name.split(".")[0]
    return stem if table.count == 1 else f"{stem}-{row.number}"


def named_files(table: Table, place: Place) -> set[str]:
    """Return the files that the rows name, without reading them."""
    columns = Columns.recognise(table, partial(find_files, place))
    used = set[str]()
    for row in table.rows():
        try:
            content = _content_of_row(row, columns)
        except _RowError:  # the row will say so
            continue
        if isinstance(content, str):
            used.update(find_files(place, content))
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
    return _find_file(content, place, used, columns.structure)


def _find_file(key: str, place: Place, used: set[str], column: str | None) -> Content:
    paths = find_files(place, key)
    used.update(paths)
    if not paths:
        remedy = "add the file or remove the row"
        if column is None:
            remedy += "; columns of files and structures are named file, structure, cif"
        elif column.lower() in STRUCTURE_COLUMNS:
            remedy += f", or rename the column {column!r} if it names no files"
        raise _RowError(f"no structure file for {key!r:.80}", remedy)
    if len(paths) > 1:
        raise _RowError(
            f"{key!r} may be any of {', '.join(paths[:3])}", "give the file's path"
        )
    return place.content(paths[0])
