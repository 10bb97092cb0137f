"""Rows of CSV tables of any usual delimiter, with or without a header."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from pathlib import PurePosixPath

from pyg_sitenet.data.readers.cells import is_gap, number_of, separated
from pyg_sitenet.data.readers.files.file_names import is_structure_file
from pyg_sitenet.data.readers.tables.csv_start import (
    DELIMITERS,
    Start,
    find_start,
    states_units,
    without_brackets,
)
from pyg_sitenet.data.readers.tables.headers import no_units, split_headers
from pyg_sitenet.data.readers.tables.row import (
    KNOWN_COLUMNS,
    SHEET,
    Row,
    cell_of_sheet,
)
from pyg_sitenet.data.readers.units import SAME, conversion
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError
from pyg_sitenet.safe_text import text_of_cell

CGCNN_TABLE = "id_prop.csv"

_FIELD_LIMIT = 16 * 1024**2
_RULE = " -:\t\r\n"  # below the heading of a table in Markdown


@dataclass(frozen=True)
class Header:
    """The first line of a CSV table.

    Args:
        columns: Names of the columns, without units.
        units: Unit of each column that states one.
        start: Where it is.
        rows: How many rows it takes: none if it is made up, two if units are below.
        no_units: What of each column might be a unit and is none that is known.
    """

    columns: tuple[str, ...]
    units: dict[str, str]
    start: Start
    rows: int
    no_units: Mapping[str, str] = field(default_factory=dict)


def csv_header(file: TextFile, targets: Sequence[str] = ()) -> Header:
    """Read the header of a CSV table.

    Args:
        file: The table.
        targets: Names that are asked for: of the value columns if the table has no
            header.

    Raises:
        DataError: If the table is empty, cannot be read, or names a column twice.
    """
    start = find_start(file)
    lines = _lines(file, start)
    cells, below = next(lines, None), next(lines, [])
    if cells is None:
        raise DataError(f"{file.name}: the table is empty")
    is_cgcnn = PurePosixPath(file.name).name == CGCNN_TABLE and _is_value(cells[-1])
    if not is_cgcnn:
        _check_is_heading(file.name, cells)
    if below:
        _check_no_title(file.name, cells, below)
    if targets and len(cells) == 1:
        raise DataError(
            f"{file.name}: a single column, {cells[0]!r:.60}, where one of ids or files"
            " and one of values are expected; put a comma, semicolon, tab or | between"
            " the columns"
        )
    if is_cgcnn:
        names = ("id", *_unnamed_columns(len(cells) - 1, targets))
        return Header(names, {}, start, rows=0)
    headings = _named(cells)
    pairs = split_headers(headings, targets)
    columns = tuple(column for column, _ in pairs)
    double = [column for column, number in Counter(columns).items() if number > 1]
    if double:
        raise DataError(
            f"{file.name}: several columns are named {double[0]!r}; give each its name"
        )
    units = {column: unit for column, unit in pairs if unit is not None}
    has_units = states_units(below) if below else False
    if has_units:
        texts = zip(columns[1:], map(without_brackets, below[1:]), strict=False)
        units |= _units_below(file.name, units, {k: text for k, text in texts if text})
    remarks = no_units(headings, pairs)
    return Header(columns, units, start, 1 + has_units, remarks)


def _units_below(
    name: str, units: Mapping[str, str], below: Mapping[str, str]
) -> dict[str, str]:
    """Return the units of the row below a heading that states none itself.

    Raises:
        DataError: If both state one, which differ.
    """
    for column in units.keys() & below.keys():
        if conversion(below[column], units[column]) != SAME:
            raise DataError(
                f"{name}: the heading says that {column!r:.60} is in"
                f" {units[column]!r:.40}, the row below it {below[column]!r:.40};"
                " correct one of them"
            )
    return {**below, **units}


def _check_is_heading(name: str, cells: Sequence[str]) -> None:
    """Refuse a row in place of the heading: its crystal would be missing in silence."""
    names = [cell.strip() for cell in cells]
    first, *others = names
    if KNOWN_COLUMNS & {text.lower() for text in names} or not first:
        return
    is_file = "." in first and is_structure_file(first)
    has_values = bool(others) and all(map(_is_number, others))
    if is_file or (has_values and not _are_rising(others)):
        raise DataError(
            f"{name}: the first line, {','.join(names)!r:.60}, is that of a crystal and"
            " no heading; put one above it that names the columns, such as 'file,gap';"
            " if it is one, call its first column 'id'"
        )


def _are_rising(texts: Sequence[str]) -> bool:
    """Tell whether numbers name columns, as temperatures and years do."""
    numbers = [number_of(text) for text in texts]
    known = [number for number in numbers if number is not None]
    is_sorted = all(low < high for low, high in pairwise(known))
    return len(known) == len(texts) and is_sorted and all(n % 1 == 0 for n in known)


def _check_no_title(name: str, cells: Sequence[str], below: Sequence[str]) -> None:
    """Say of a title above the heading that it is none."""
    title, *others = map(str.strip, cells)
    has_more = sum(map(bool, below)) > 1 or any(sign in below[0] for sign in DELIMITERS)
    if title and not any(others) and has_more and title.lower() not in KNOWN_COLUMNS:
        raise DataError(
            f"{name}: the first line, {cells[0]!r:.60}, names a single column, and the"
            " one below has more; if it is a title, remove it or begin it with #; if it"
            " names the structures, call it 'structure'"
        )


def csv_rows(file: TextFile, header: Header) -> Iterator[Row]:
    """Yield the rows below the header.

    Raises:
        DataError: If the table cannot be read.
    """
    lines = islice(_lines(file, header.start), header.rows, None)
    for number, line in enumerate(lines, 1):
        problem = ""
        if any(cell.strip() for cell in line[len(header.columns) :]):
            problem = f"{len(line)} values for {len(header.columns)} columns"
        yield Row(number, dict(zip(header.columns, line, strict=False)), problem)


def _lines(file: TextFile, start: Start) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD_LIMIT)  # structures as text are long
    text = _Quotes(islice(file.lines(), start.skipped, None))
    read = cell_of_sheet if file.file_name == SHEET else text_of_cell
    width = first = end = quotes = before = 0
    try:
        reader = csv.reader(
            iter(text), delimiter=start.delimiter, skipinitialspace=start.is_spaced
        )
        for number, line in enumerate(reader):
            first, end = end + 1, reader.line_num
            before, quotes = quotes, text.count
            if not number and start.is_remark:
                line[0] = line[0].lstrip("# ")
            if width > 1 and _is_remark(line):
                continue
            if any(cell.strip(_RULE) for cell in line):
                width = width or len(line)
                yield [read(cell) for cell in line]
    except csv.Error as error:
        raise DataError(f"{file.name}: not a CSV table: {error}") from error
    if (text.count - before) % 2 and end > first:  # of the last row alone
        raise DataError(
            f"{file.name}: a quote in line {start.skipped + first} is not closed, so"
            " that all lines below are one cell; close or remove it"
        )


class _Quotes:
    """Passes lines on and counts their quotes."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.count += line.count('"')
            yield line


def _is_remark(line: Sequence[str]) -> bool:
    """Tell whether a row says something in its first cell alone, behind a #."""
    return bool(line) and line[0].startswith("#") and not any(map(str.strip, line[1:]))


def _is_value(cell: str) -> bool:
    return _is_number(cell) or is_gap(cell)


def _is_number(cell: str) -> bool:
    return number_of(cell) is not None or bool(separated(cell))


def _named(cells: Sequence[str]) -> list[str]:
    """Number the columns without a name, such as the empty ones that Excel leaves.

    The first keeps none: it is the index that pandas writes.
    """
    return [
        cell if cell.strip() or k == 1 else f"column {k}"
        for k, cell in enumerate(cells, 1)
    ]


def _unnamed_columns(count: int, targets: Sequence[str]) -> list[str]:
    """Name columns without header as they are asked for, if the number agrees."""
    if len(targets) == count:
        return list(targets)
    return ["target", *(f"target_{k}" for k in range(2, count + 1))][:count]
