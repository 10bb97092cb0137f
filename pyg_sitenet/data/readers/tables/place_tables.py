"""The tables of a folder or an archive, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.readers.content import is_structure_text
from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.documents import columns_of_rows
from pyg_sitenet.data.readers.files.file_names import is_table
from pyg_sitenet.data.readers.files.places import Folder, Place
from pyg_sitenet.data.readers.tables.csv_rows import CGCNN_TABLE, csv_header, csv_rows
from pyg_sitenet.data.readers.tables.json_rows import json_document_rows, json_line_rows
from pyg_sitenet.data.readers.tables.own_results import are_predictions, is_result
from pyg_sitenet.data.readers.tables.row import (
    KNOWN_COLUMNS,
    NUM_SAMPLES,
    STRUCTURE_COLUMNS,
    Row,
    Units,
)
from pyg_sitenet.data.readers.tables.spreadsheet import sheet_as_csv
from pyg_sitenet.data.readers.wanted import MissingTargetError
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError


def tables_of_structures(place: Place, names: Sequence[str]) -> list[str]:
    """Return the tables whose cells hold structures rather than names of files.

    Args:
        place: Folder or archive.
        names: The files to look into, no further than the first rows.
    """
    tables = [name for name in names if is_table(name)]
    return [name for name in tables if _holds_structures(table_file(place, name))]


def _holds_structures(file: TextFile) -> bool:
    try:
        rows = list(islice(_first_rows(file), NUM_SAMPLES))
    except DataError:  # no table, which nobody says it is
        return False
    return any(
        isinstance(cell, Mapping) or (isinstance(cell, str) and is_structure_text(cell))
        for row in rows
        if isinstance(row, Row)
        for column, cell in row.values.items()
        if column.lower() in STRUCTURE_COLUMNS
    )


def _first_rows(file: TextFile) -> Iterator[Row | Units]:
    """Yield the rows of a table as they are read; of an object in JSON none."""
    suffixes = PurePosixPath(file.name.lower()).suffixes
    if ".json" in suffixes:
        start = next(file.pieces(), "").lstrip()
        return json_document_rows(file) if start.startswith("[") else iter(())
    if {".jsonl", ".ndjson"} & {*suffixes}:
        return json_line_rows(file)
    if ".xlsx" in suffixes:
        file = sheet_as_csv(file)
    return csv_rows(file, csv_header(file))


def tables_of(place: Folder | Archive) -> list[str]:
    """Return the tables at the top; Excel's count if there are no others, then JSON."""
    tables = at_top(place)
    if len(tables) > 1:  # as where predictions are written beside the data
        tables = [
            name for name in tables if not is_result(table_file(place, name))
        ] or tables
    cgcnn = [name for name in tables if PurePosixPath(name).name == CGCNN_TABLE]
    suffixes = {name: {*PurePosixPath(name.lower()).suffixes} for name in tables}
    others = [name for name in tables if ".json" not in suffixes[name]]
    texts = [name for name in others if ".xlsx" not in suffixes[name]]
    return cgcnn or texts or others or tables


def exports(place: Folder | Archive, table: str) -> Iterator[str]:
    """Say of a spreadsheet or rows in JSON beside the table that they are not read."""
    for name in at_top(place):
        suffixes = PurePosixPath(name.lower()).suffixes
        columns = (
            columns_of_rows(table_file(place, name)) if ".json" in suffixes else []
        )
        has_crystals = not KNOWN_COLUMNS.isdisjoint(map(str.lower, columns))
        is_export = ".xlsx" in suffixes or (
            has_crystals and not are_predictions(columns)
        )
        if name != table and is_export:
            yield _not_read(name, table)
    below = sorted({*place.files} - {*at_top(place)})
    for name in tables_of_structures(place, below):
        yield _not_read(name, table)


def _not_read(name: str, table: str) -> str:
    return f"{name} is not read, since {table} is the table; remove one of them"


def at_top(place: Folder | Archive) -> list[str]:
    """Return the tables at the top, which may be a folder of an archive."""
    tables = [name for name in place.files if is_table(name)]
    top = min((name.count("/") for name in place.files), default=0)
    return [name for name in tables if name.count("/") == top]


def table_beside(place: Folder | Archive) -> Path | None:
    """Return the table beside an archive that has its name."""
    if isinstance(place, Folder):
        return None
    beside = place.path.with_suffix(".csv")
    return beside if beside.is_file() else None


def only_table(
    place: Folder | Archive, tables: Sequence[str], targets: Sequence[str]
) -> str:
    """Return the table of a place.

    Raises:
        DataError: If there is none, or if there are several.
    """
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


def table_file(place: Place, name: str) -> TextFile:
    """Return what a table is read from."""
    return TextFile(place.origin(name), lambda: place.open(name))
