"""The tables of a folder or an archive, and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.readers.content import holds_structure
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
from pyg_sitenet.data.structure.compression import READ_ERRORS, unpacked
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError

_HEAD = 1 << 16  # bytes in which the heading of a table is looked for
_KEY = re.compile(r'"(\w+)"\s*:')
_BETWEEN_CELLS = re.compile(r'[;,\t|" ]+')


def tables_of_structures(
    place: Place, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the tables whose cells hold structures rather than names of files.

    Args:
        place: Folder or archive.
        names: The files to look into, no further than the first rows.

    Returns:
        Those tables, and those that cannot be read and may be some of them.
    """
    held, unread = [], []
    for name in filter(is_table, names):
        file = table_file(place, name)
        holds_some = _holds_structures(file)
        if holds_some:
            held.append(name)
        elif holds_some is None and _has_such_a_heading(file):
            unread.append(name)
    return held, unread


def _holds_structures(file: TextFile) -> bool | None:
    """Tell whether the first rows hold structures; None if they cannot be read."""
    is_damaged = False
    try:
        for row in islice(_first_rows(file), NUM_SAMPLES):
            if isinstance(row, Row) and any(
                holds_structure(cell)
                for column, cell in row.values.items()
                if column.lower() in STRUCTURE_COLUMNS
            ):
                return True
            is_damaged |= isinstance(row, Row) and bool(row.problem) and not row.values
    except DataError:
        return None
    return None if is_damaged else False


def _has_such_a_heading(file: TextFile) -> bool:
    """Tell whether a table that cannot be read has a column of structures."""
    suffixes = PurePosixPath(file.name.lower()).suffixes
    if ".xlsx" in suffixes:  # nobody knows its heading
        return True
    text = ""
    with (
        suppress(DataError, *READ_ERRORS),
        file.open_bytes() as packed,
        unpacked(packed, file.name, file.name, DataError) as content,
    ):
        text = content.read(_HEAD).decode("latin-1").replace("\0", "").lower()
    if {".json", ".jsonl", ".ndjson"} & {*suffixes}:
        cells = _KEY.findall(text)
    else:
        lines = (line for line in text.splitlines() if line[:1] not in ("", "#"))
        cells = _BETWEEN_CELLS.split(next(lines, ""))
    return not {*STRUCTURE_COLUMNS}.isdisjoint(cells)


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
    for name in chain(*tables_of_structures(place, below)):
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
