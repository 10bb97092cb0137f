"""Folders, archives and tables of crystals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.data.sources.frames import frame_entries
from pyg_sitenet.data.sources.places import (
    FRAME_SUFFIXES,
    Folder,
    Place,
    id_of_file,
    is_structure_file,
    is_table,
)
from pyg_sitenet.data.sources.rows import Columns, row_entries
from pyg_sitenet.data.sources.source import Source, check_targets
from pyg_sitenet.data.sources.table import Table, read_table
from pyg_sitenet.errors import DataError

CGCNN_TABLE = "id_prop.csv"


def open_table(path: Path, targets: Sequence[str]) -> Source:
    """Open a table; the files that it names are looked for beside it.

    Raises:
        DataError: If it cannot be read or has no such target.
    """
    place = Folder(path.parent, recursive=False)
    return _table_source(str(path), place, path.name, targets)


def open_place(place: Place, targets: Sequence[str]) -> Source:
    """Open a folder or an archive.

    With targets its one table says which files belong to it. Without targets all
    structure files are read, or the table if there are no such files.

    Raises:
        DataError: If there is nothing to read, or no single table for targets.
    """
    tables = _tables(place)
    files = [name for name in place.files if _is_input(place, name)]
    if not files and not tables:
        raise DataError(
            f"{place.name}: no structure files (such as .cif or POSCAR) and no table"
        )
    if targets or not files:
        return _table_source(
            place.name, place, _only_table(place, tables), targets, files
        )
    table = _table_or_none(place, tables)
    return Source(
        name=place.name,
        make_entries=lambda: _file_entries(place, files),
        make_digest=lambda: place.digest(files),
        units={} if table is None else Columns.of(table).units(table),
        available=() if table is None else Columns.of(table).targets,
        count=len(files),
    )


def _table_source(
    name: str,
    place: Place,
    table_name: str,
    targets: Sequence[str],
    files: Sequence[str] = (),
) -> Source:
    table = read_table(place.origin(table_name), place.read(table_name), targets)
    columns = Columns.of(table)
    _check_numbers(table, columns, targets)
    check_targets(targets, columns.targets, table.name)

    def make_entries() -> Iterator[Entry | Failure]:
        used: set[str] = set()
        yield from row_entries(table, place, targets, used)
        for file in files:
            if file not in used:
                yield Failure(
                    place.origin(file),
                    id_of_file(file),
                    "table",
                    f"no row for this file in {PurePosixPath(table_name).name}",
                    "add a row or remove the file",
                )

    def make_digest() -> str:
        used: set[str] = set()
        for _ in row_entries(table, place, targets, used):
            pass
        return place.digest(sorted({table_name, *files, *used}))

    return Source(
        name, make_entries, make_digest, columns.units(table), columns.targets
    )


def _check_numbers(table: Table, columns: Columns, targets: Sequence[str]) -> None:
    """Say of a target that is there why it is none."""
    for target in targets:
        if target in table.columns and target not in columns.targets:
            values = (str(row.values.get(target, "")) for row in table.rows)
            example = next(filter(None, values), "nothing")
            raise DataError(
                f"{table.name}: the column {target!r} holds no numbers but"
                f" {example!r:.40}; numbers are written like 1.5"
            )


def _tables(place: Place) -> list[str]:
    """Return the tables at the top; JSON files count if there are no others."""
    found = [name for name in place.files if is_table(name)]
    top = min((name.count("/") for name in place.files), default=0)
    found = [name for name in found if name.count("/") == top]
    cgcnn = [name for name in found if PurePosixPath(name).name == CGCNN_TABLE]
    others = [name for name in found if ".json" not in PurePosixPath(name).suffixes]
    return cgcnn or others or found


def _only_table(place: Place, tables: Sequence[str]) -> str:
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise DataError(
            f"{place.name}: no table with targets; add a CSV file with the columns id "
            "(or file) and the names of the targets"
        )
    raise DataError(
        f"{place.name}: several tables ({', '.join(tables)}); give the path of one"
    )


def _table_or_none(place: Place, tables: Sequence[str]) -> Table | None:
    """Return the table that could give targets, where it is not needed."""
    if len(tables) != 1:
        return None
    try:
        return read_table(place.origin(tables[0]), place.read(tables[0]))
    except DataError:
        return None


def _is_input(place: Place, name: str) -> bool:
    is_trajectory = PurePosixPath(name).suffix.lower() in FRAME_SUFFIXES
    return is_structure_file(name) or (is_trajectory and isinstance(place, Folder))


def _file_entries(place: Place, files: Sequence[str]) -> Iterator[Entry | Failure]:
    times = Counter(map(id_of_file, files))
    for name in files:
        if isinstance(place, Folder) and not is_structure_file(name):
            yield from frame_entries(place.root / name, ())
            continue
        id_ = id_of_file(name)
        try:
            content = place.content(name)
        except DataError as error:
            yield Failure(
                place.origin(name), id_, "read", str(error), "repair or remove the file"
            )
            continue
        yield Entry(id_ if times[id_] == 1 else name, place.origin(name), content)
