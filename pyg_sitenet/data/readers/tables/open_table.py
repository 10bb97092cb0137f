"""Folders, archives and tables of crystals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.documents import documents_of, find_files
from pyg_sitenet.data.readers.files.file_entries import file_entries
from pyg_sitenet.data.readers.files.file_names import (
    id_of_file,
    is_archive,
    is_document,
    is_frame_file,
    is_structure_file,
    without_records,
)
from pyg_sitenet.data.readers.files.odd_files import odd_files, unread_note
from pyg_sitenet.data.readers.files.places import Folder, FolderWithArchives, Place
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.tables.columns import Columns
from pyg_sitenet.data.readers.tables.place_tables import (
    at_top,
    exports,
    only_table,
    table_beside,
    table_file,
    tables_of,
    tables_of_structures,
)
from pyg_sitenet.data.readers.tables.row_entries import (
    named_files,
    row_entries,
    rows_beside_files,
)
from pyg_sitenet.data.readers.tables.table import Table, read_table
from pyg_sitenet.data.readers.tables.target_checks import (
    check_numbers,
    check_roles,
    check_rows,
    target_notes,
)
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError


def open_table(path: Path, wanted: Wanted) -> Source:
    """Open a table; the files that it names are looked for beside it.

    Raises:
        DataError: If it cannot be read or has no such target.
    """
    if not path.is_file():
        raise DataError(f"{path}: a pipe, socket or device where a table is expected")
    place = FolderWithArchives(Folder(path.parent, recursive=False))
    return _table_source(str(path), place, path.name, wanted)


def open_place(place: Folder | Archive, wanted: Wanted) -> Source:
    """Open a folder or an archive.

    With targets its one table says which files belong to it. Without targets all
    structure files are read, and the tables that hold structures, or else the table.
    The table of an archive may lie beside it, under its name.

    Raises:
        DataError: If there is nothing to read, or no single table for targets.
    """
    targets, tables = wanted.targets, tables_of(place)
    files = without_records(
        [name for name in place.files if is_structure_file(name) or is_frame_file(name)]
    )
    beside = table_beside(place) if not tables and targets else None
    if beside is not None:
        return open_table(beside, wanted)
    documents = documents_of(place, tables if targets else ())
    if files or targets:
        files += documents
    elif len(tables) > 1 or (
        not {*documents} <= {*tables}
        and ({*tables} <= {*documents} or not _names_structures(place, tables))
    ):
        files = sorted({*filter(is_document, tables), *documents})
    return _opened(place, wanted, tables, files)


def _opened(
    place: Folder | Archive,
    wanted: Wanted,
    tables: Sequence[str],
    files: Sequence[str],
) -> Source:
    """Open the table of a place, or all of its structures.

    Args:
        place: Folder or archive.
        wanted: What to take of each crystal.
        tables: Those that may be its table.
        files: Structure files.
    """
    targets = wanted.targets
    known = {*files} if files else {*at_top(place)}
    others = [name for name in place.files if name not in known]
    held, unread = ([], []) if targets else tables_of_structures(place, others)
    notes = [*unread_note(sorted([*odd_files(place.files), *unread]))]
    if not (files or tables or held):
        nothing = "no structure files (such as .cif or POSCAR) and no table"
        raise DataError("; ".join([f"{place.name}: {nothing}", *notes]))
    if targets or (tables and not files and not held):
        where = FolderWithArchives(place) if isinstance(place, Folder) else place
        name = only_table(place, tables, targets)
        source = _table_source(place.name, where, name, wanted, files)
        notes = [*exports(place, name), *notes]
    else:
        held = held if files else [*tables, *held]
        source = _all_structures(place, tables, files, held)
    return replace(source, notes=[*source.notes, *notes])


def _all_structures(
    place: Folder | Archive,
    tables: Sequence[str],
    files: Sequence[str],
    held: Sequence[str],
) -> Source:
    table = _table_or_none(place, tables)
    columns = None if table is None else _columns(table, place)
    archives = [name for name in place.files if is_archive(name)]
    is_counted = not held and not any(map(is_frame_file, files))
    where = FolderWithArchives(place) if isinstance(place, Folder) else place
    starts, notes = rows_beside_files(where, held, files)
    return Source(
        name=place.name,
        make_entries=lambda: chain(
            file_entries(place, [*files, *archives]), *(start() for start in starts)
        ),
        make_digest=lambda: place.digest([*files, *held]),
        units={} if table is None or columns is None else columns.units(table),
        available=() if columns is None else columns.targets,
        count=len(files) + len(archives) if is_counted else None,
        labels=() if columns is None else columns.labels,
        notes=notes,
    )


def _table_source(
    name: str, place: Place, table_name: str, wanted: Wanted, files: Sequence[str] = ()
) -> Source:
    table = _read(place, table_name, wanted.targets)
    columns = _columns(table, place)
    numbers = [name for name in wanted.targets if name not in wanted.classes]
    check_rows(table)
    check_roles(table, columns, wanted.targets)
    check_numbers(table, columns, numbers)
    wanted.check(table.name, columns.targets, columns.labels)
    stated = columns.units(table)
    wanted = wanted.in_units(table.name, stated)
    units = {target: wanted.units.get(target, unit) for target, unit in stated.items()}

    def make_digest() -> str:
        named = named_files(table, place)
        return place.digest(sorted({table_name, *files, *named}))

    return Source(
        name,
        lambda: _entries(table, table_name, place, wanted, files),
        make_digest,
        units,
        columns.targets,
        count=None if files else table.count,
        labels=columns.labels,
        make_column=lambda name: (columns.cells(row).get(name) for row in table.rows()),
        notes=[*target_notes(table, columns, wanted, stated, units)],
    )


def _entries(
    table: Table, name: str, place: Place, wanted: Wanted, files: Sequence[str]
) -> Iterator[Entry | Failure]:
    """Yield the rows, and a failure for each file that none of them names."""
    used: set[str] = set()
    yield from row_entries(table, place, wanted, used)
    for file in files:
        if file not in used:
            yield Failure(
                place.origin(file),
                id_of_file(file),
                "table",
                f"no row for this file in {PurePosixPath(name).name}",
                "add a row or remove the file",
            )


def _columns(table: Table, place: Place) -> Columns:
    return Columns.recognise(table, partial(find_files, place))


def _names_structures(place: Folder | Archive, tables: Sequence[str]) -> bool:
    """Tell whether the one table holds structures or names their files."""
    table = _table_or_none(place, tables)
    return table is not None and _columns(table, place).structure is not None


def _read(place: Place, name: str, targets: Sequence[str] = ()) -> Table:
    return read_table(table_file(place, name), targets)


def _table_or_none(place: Folder | Archive, tables: Sequence[str]) -> Table | None:
    """Return the table that could give targets, where it is not needed."""
    if len(tables) != 1:
        return None
    try:
        return _read(place, tables[0])
    except DataError:
        return None
