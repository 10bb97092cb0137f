"""Tables of crystals (CSV, JSON, JSON lines) as streams of rows of named values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType

from pyg_sitenet.data.readers.tables.csv_rows import csv_header, csv_rows
from pyg_sitenet.data.readers.tables.json_rows import json_document_rows, json_line_rows
from pyg_sitenet.data.readers.tables.row import UNIT_COLUMN, Row, Units
from pyg_sitenet.data.readers.targets import is_label, is_number
from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.text import TextFile


@dataclass(frozen=True)
class Table:
    """A table of crystals that was looked through once; its rows are read again.

    Nothing of the rows is kept: a table may be larger than the memory.

    Args:
        name: Where it is, for messages.
        start: Starts a new pass over the rows.
        columns: Names of the columns, without units.
        units: Unit of each column whose header states one.
        numbers: Columns with a number in at least one row.
        stated_unit: First value of the column of units, if there is one.
        count: Number of rows.
        labels: Columns without numbers and with text or a boolean in at least one row.
    """

    name: str
    start: Callable[[], Iterator[Row | Units]]
    columns: Sequence[str]
    units: Mapping[str, str]
    numbers: frozenset[str]
    stated_unit: str | None
    count: int
    labels: frozenset[str] = frozenset()

    def rows(self) -> Iterator[Row]:
        """Yield the rows, from the first."""
        return (row for row in self.start() if isinstance(row, Row))

    def column_of(self, names: Sequence[str]) -> str | None:
        """Return the first column that has one of the names, in any case."""
        lower = {column.lower(): column for column in self.columns}
        return next((lower[name] for name in names if name in lower), None)


def read_table(file: TextFile, headers: Sequence[str] = ()) -> Table:
    """Look through a table once and return what it holds.

    Args:
        file: The table; the ending of its name tells the format.
        headers: Names of the value columns if the file has none (``id_prop.csv``).

    Raises:
        DataError: If it cannot be read as what its name says.
    """
    suffix = PurePosixPath(uncompressed(file.name.lower())).suffix
    if suffix in (".csv", ".tsv"):
        header = csv_header(file, headers)
        start = partial(csv_rows, file, header)
        return _look_through(file.name, start, header.columns, header.units)
    if suffix in (".jsonl", ".ndjson"):
        return _look_through(file.name, partial(json_line_rows, file))
    return _look_through(file.name, partial(json_document_rows, file))


def _look_through(
    name: str,
    start: Callable[[], Iterator[Row | Units]],
    columns: Sequence[str] = (),
    units: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    all_columns, all_units = dict.fromkeys(columns), dict(units)
    numbers, labels = set[str](), set[str]()
    stated_unit, count = None, 0
    for row in start():
        if isinstance(row, Units):
            all_units.update(row.by_column)
            continue
        count += 1
        all_columns.update(dict.fromkeys(row.values))
        for column, value in row.values.items():
            if column not in numbers and is_number(value):
                numbers.add(column)
            elif column not in labels and is_label(value):
                labels.add(column)
            if stated_unit is None and column.lower() == UNIT_COLUMN:
                stated_unit = value if isinstance(value, str) else None
    return Table(
        name,
        start,
        list(all_columns),
        all_units,
        frozenset(numbers),
        stated_unit,
        count,
        frozenset(labels - numbers),
    )
