"""Tables of crystals (CSV, JSON, JSON lines) as streams of rows of named values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType

from pyg_sitenet.data.readers.cells import in_comma_style, is_gap, is_label, number_of
from pyg_sitenet.data.readers.content import sample
from pyg_sitenet.data.readers.tables.csv_rows import csv_header, csv_rows
from pyg_sitenet.data.readers.tables.headers import no_units, split_headers
from pyg_sitenet.data.readers.tables.json_rows import (
    json_document_rows,
    json_line_rows,
    renamed_rows,
)
from pyg_sitenet.data.readers.tables.number_style import NumberStyle
from pyg_sitenet.data.readers.tables.row import (
    KNOWN_COLUMNS,
    NUM_SAMPLES,
    Percentage,
    Row,
    Units,
    is_text,
)
from pyg_sitenet.data.readers.tables.spreadsheet import sheet_as_csv
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
        count: Number of rows.
        labels: Columns without numbers and with text or a boolean in at least one row.
        stated: First text of each column whose name speaks of units.
        styles: What writes numbers as programs do, of columns that have separators.
        notes: How columns were understood, where that could be otherwise.
        shared_names: Columns of names, in small letters, of which some repeat.
        unsure: Columns of numbers that may be meant in two ways, with an example.
        unstated: How many rows lack a value in a column whose name speaks of units.
        samples: Some cells of columns with known names, see :func:`sample`.
        gaps: Words of each column for a value that is not known, and how often.
        percentages: First of each column's cells that a spreadsheet shows in percent.
    """

    name: str
    start: Callable[[], Iterator[Row | Units]]
    columns: Sequence[str]
    units: Mapping[str, str]
    numbers: frozenset[str]
    count: int
    labels: frozenset[str] = frozenset()
    stated: Mapping[str, str] = field(default_factory=dict)
    styles: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shared_names: frozenset[str] = frozenset()
    unsure: Mapping[str, str] = field(default_factory=dict)
    unstated: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    gaps: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    percentages: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, from the first."""
        return (row for row in self.start() if isinstance(row, Row))

    def with_notes(self, no_units: Mapping[str, str]) -> Table:
        """Return the same with a note for each column that might state a unit.

        Args:
            no_units: What of their headings is no unit that is known.
        """
        notes = {
            column: (
                f"{column}: {text!r:.40} in its heading is no unit that is known, so it"
                " has none; if one is meant, correct the heading or set data.units",
                *self.notes.get(column, ()),
            )
            for column, text in no_units.items()
        }
        return replace(self, notes={**self.notes, **notes})

    def column_of(self, names: Sequence[str]) -> str | None:
        """Return the first column that has one of the names, in any case."""
        lower = {column.lower(): column for column in self.columns}
        return next((lower[name] for name in names if name in lower), None)


def read_table(file: TextFile, headers: Sequence[str] = ()) -> Table:
    """Look through a table once and return what it holds.

    Args:
        file: The table; the ending of its name tells the format.
        headers: Names that are asked for: of the value columns if the file has none
            (``id_prop.csv``).

    Raises:
        DataError: If it cannot be read as what its name says.
    """
    suffix = PurePosixPath(uncompressed(file.name.lower())).suffix
    if suffix == ".xlsx":
        file = sheet_as_csv(file)
    if suffix in (".csv", ".tsv", ".xlsx"):
        header = csv_header(file, headers)
        start = partial(csv_rows, file, header)
        look = _Look(header.columns, header.units, header.start.delimiter)
        return look.table(file.name, start).with_notes(header.no_units)
    rows = json_line_rows if suffix in (".jsonl", ".ndjson") else json_document_rows
    look = _Look()
    table = look.table(file.name, partial(rows, file))
    pairs = split_headers(table.columns, headers)
    names = dict(zip(table.columns, (name for name, _ in pairs), strict=True))
    units = {**look.units, **{name: unit for name, unit in pairs if unit is not None}}
    if any(name != column for column, name in names.items()):
        rows_of_names = partial(renamed_rows, table.start, names)
        table = _Look(units=units).table(file.name, rows_of_names)
    return replace(table, units=units).with_notes(no_units(list(names), pairs))


class _Look:
    """What one pass over the rows of a table tells.

    Args:
        columns: Names of the columns as far as they are known.
        units: Their units.
        delimiter: What stands between them.
    """

    def __init__(
        self,
        columns: Sequence[str] = (),
        units: Mapping[str, str] = MappingProxyType({}),
        delimiter: str = "",
    ) -> None:
        self.columns = dict.fromkeys(columns)
        self.units = dict(units)
        self.numbers: set[str] = set()
        self.labels: set[str] = set()
        self._delimiter = delimiter
        self._stated: dict[str, str] = {}
        self._unit_counts: Counter[str] = Counter()
        self._styles: dict[str, NumberStyle] = defaultdict(NumberStyle)
        self._gaps: dict[str, Counter[str]] = defaultdict(Counter)
        self._percentages: dict[str, str] = {}
        self._names: set[int] = set()
        self._shared: set[str] = set()
        self._samples: dict[str, list[str]] = defaultdict(list)

    def table(self, name: str, start: Callable[[], Iterator[Row | Units]]) -> Table:
        """Return the table that has these rows."""
        count = 0
        for row in start():
            if isinstance(row, Units):
                self.units.update(row.by_column)
                continue
            count += 1
            self.columns.update(dict.fromkeys(row.values))
            self._see_row(row)
        styles = {
            column: reader
            for column, style in self._styles.items()
            if (reader := style.reader(self._delimiter)) and style.example
        }
        self.numbers |= styles.keys()
        has_commas = in_comma_style in styles.values()
        unsure = {
            column: example
            for column, style in self._styles.items()
            if column not in styles and (example := style.unsure(has_commas=has_commas))
        }
        self.numbers -= unsure.keys()
        return Table(
            name,
            start,
            list(self.columns),
            self.units,
            frozenset(self.numbers),
            count,
            frozenset(self.labels - self.numbers),
            self._stated,
            styles,
            {
                column: (_style_note(column, self._styles[column].example, reader),)
                for column, reader in styles.items()
            },
            frozenset(self._shared),
            unsure,
            {column: count - n for column, n in self._unit_counts.items()},
            self._samples,
            self._gaps,
            self._percentages,
        )

    def _see_row(self, row: Row) -> None:
        for column, value in row.values.items():
            self._see(column, value)
            lower = column.lower()
            if lower == "name":
                self._see_name(value)
            if lower in KNOWN_COLUMNS and len(self._samples[lower]) < NUM_SAMPLES:
                self._samples[lower] += sample(value)
            if "unit" in lower and not is_gap(value):
                self._stated.setdefault(column, str(value).strip())
                self._unit_counts[column] += 1

    def _see_name(self, value: object) -> None:
        if self._shared or is_gap(value):
            return
        key = hash(str(value).strip())
        if key in self._names:
            self._shared.add("name")
            self._names.clear()
        self._names.add(key)

    def _see(self, column: str, value: object) -> None:
        number = number_of(value)
        if number is not None and number == number:
            self.numbers.add(column)
            if is_text(value):
                self._styles[column].see_number(str(value))
            elif isinstance(value, Percentage):
                self._percentages.setdefault(column, value)
        elif is_gap(value):
            if isinstance(value, str) and value.strip():
                self._gaps[column][value.strip()] += 1
        elif isinstance(value, str) and self._styles[column].see(value):
            pass
        elif is_label(value):
            self.labels.add(column)


def _style_note(column: str, example: str, reader: Callable[[str], str]) -> str:
    return (
        f"{column}: numbers are written like {example!r}, which is read as"
        f" {reader(example)}"
    )
