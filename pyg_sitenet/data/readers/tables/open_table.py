"""Folders, archives and tables of crystals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.documents import (
    columns_of_rows,
    documents_of,
    find_files,
)
from pyg_sitenet.data.readers.files.file_entries import file_entries
from pyg_sitenet.data.readers.files.file_names import (
    id_of_file,
    is_archive,
    is_document,
    is_frame_file,
    is_structure_file,
    is_table,
    without_records,
)
from pyg_sitenet.data.readers.files.places import Folder, FolderWithArchives, Place
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.tables.columns import Columns
from pyg_sitenet.data.readers.tables.csv_rows import CGCNN_TABLE
from pyg_sitenet.data.readers.tables.own_results import are_predictions, is_result
from pyg_sitenet.data.readers.tables.row import KNOWN_COLUMNS
from pyg_sitenet.data.readers.tables.row_entries import named_files, row_entries
from pyg_sitenet.data.readers.tables.table import Table, read_table
from pyg_sitenet.data.readers.tables.target_checks import (
    check_numbers,
    check_roles,
    check_rows,
    target_notes,
)
from pyg_sitenet.data.readers.wanted import MissingTargetError, Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.structure.text import TextFile
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
    structure files are read, or the table if there are no such files. The table of an
    archive may lie beside it, under its name.

    Raises:
        DataError: If there is nothing to read, or no single table for targets.
    """
    targets, tables = wanted.targets, _tables(place)
    inputs = [n for n in place.files if is_structure_file(n) or is_frame_file(n)]
    files = without_records(inputs)
    beside = _table_beside(place) if not tables and targets else None
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
    if not files and not tables:
        raise DataError(
            f"{place.name}: no structure files (such as .cif or POSCAR) and no table"
        )
    if targets or not files:
        where = FolderWithArchives(place) if isinstance(place, Folder) else place
        name = _only_table(place, tables, targets)
        source = _table_source(place.name, where, name, wanted, files)
        return replace(source, notes=[*source.notes, *_exports(place, name)])
    table = _table_or_none(place, tables)
    columns = None if table is None else _columns(table, place)
    archives = [name for name in place.files if is_archive(name)]
    return Source(
        name=place.name,
        make_entries=lambda: file_entries(place, [*files, *archives]),
        make_digest=lambda: place.digest(files),
        units={} if table is None or columns is None else columns.units(table),
        available=() if columns is None else columns.targets,
        count=None if any(map(is_frame_file, files)) else len(files) + len(archives),
        labels=() if columns is None else columns.labels,
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
    return read_table(_file(place, name), targets)


def _file(place: Place, name: str) -> TextFile:
    return TextFile(place.origin(name), lambda: place.open(name))


def _tables(place: Folder | Archive) -> list[str]:
    """Return the tables at the top; Excel's count if there are no others, then JSON."""
    tables = _at_top(place)
    if len(tables) > 1:  # as where predictions are written beside the data
        tables = [
            name for name in tables if not is_result(_file(place, name))
        ] or tables
    cgcnn = [name for name in tables if PurePosixPath(name).name == CGCNN_TABLE]
    suffixes = {name: {*PurePosixPath(name.lower()).suffixes} for name in tables}
    others = [name for name in tables if ".json" not in suffixes[name]]
    texts = [name for name in others if ".xlsx" not in suffixes[name]]
    return cgcnn or texts or others or tables


def _exports(place: Folder | Archive, table: str) -> Iterator[str]:
    """Say of a spreadsheet or rows in JSON beside the table that they are not read."""
    for name in _at_top(place):
        suffixes = PurePosixPath(name.lower()).suffixes
        columns = columns_of_rows(_file(place, name)) if ".json" in suffixes else []
        has_crystals = not KNOWN_COLUMNS.isdisjoint(map(str.lower, columns))
        is_export = ".xlsx" in suffixes or (
            has_crystals and not are_predictions(columns)
        )
        if name != table and is_export:
            yield f"{name} is not read, since {table} is the table; remove one of them"


def _at_top(place: Folder | Archive) -> list[str]:
    """Return the tables at the top, which may be a folder of an archive."""
    tables = [name for name in place.files if is_table(name)]
    top = min((name.count("/") for name in place.files), default=0)
    return [name for name in tables if name.count("/") == top]


def _table_beside(place: Folder | Archive) -> Path | None:
    """Return the table beside an archive that has its name."""
    if isinstance(place, Folder):
        return None
    beside = place.path.with_suffix(".csv")
    return beside if beside.is_file() else None


def _only_table(
    place: Folder | Archive, tables: Sequence[str], targets: Sequence[str]
) -> str:
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise MissingTargetError(
            f"{place.name}: no table with targets; add a CSV file with the columns id "
            "(or file) and the names of the targets",
            targets,
        )
    more = f" and {len(tables) - 5} more" if len(tables) > 5 else ""
    raise DataError(
        f"{place.name}: several tables ({', '.join(tables[:5])}{more}); give the path "
        "of one"
    )


def _table_or_none(place: Folder | Archive, tables: Sequence[str]) -> Table | None:
    """Return the table that could give targets, where it is not needed."""
    if len(tables) != 1:
        return None
    try:
        return _read(place, tables[0])
    except DataError:
        return None
