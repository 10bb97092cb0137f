"""Rows of CSV tables of any usual delimiter, with or without a header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath

from pyg_sitenet.data.readers.cells import is_gap, number_of, separated
from pyg_sitenet.data.readers.tables.headers import no_units, split_headers
from pyg_sitenet.data.readers.tables.row import Row
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError
from pyg_sitenet.safe_text import text_of_cell

CGCNN_TABLE = "id_prop.csv"

_FIELD_LIMIT = 16 * 1024**2
_DELIMITER_LINE = ["sep=", ""]  # sep=; tells Excel the delimiter
_QUOTED = re.compile('"[^"]*"')


@dataclass(frozen=True)
class Header:
    """The first line of a CSV table.

    Args:
        columns: Names of the columns, without units.
        units: Unit of each column that states one.
        delimiter: What stands between the values.
        is_line: Whether it is in the file, or made up because there is none.
        no_units: What of each column might be a unit and is none that is known.
    """

    columns: tuple[str, ...]
    units: dict[str, str]
    delimiter: str
    is_line: bool
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
    delimiter = _delimiter(file)
    cells = next(_lines(file, delimiter), None)
    if cells is None:
        raise DataError(f"{file.name}: the table is empty")
    if targets and len(cells) == 1:
        raise DataError(
            f"{file.name}: a single column, {cells[0]!r:.60}, where one of ids or files"
            " and one of values are expected; put a comma, semicolon, tab or | between"
            " the columns"
        )
    is_cgcnn = PurePosixPath(file.name).name == CGCNN_TABLE
    if is_cgcnn and _is_value(cells[-1]):
        names = ("id", *_unnamed_columns(len(cells) - 1, targets))
        return Header(names, {}, delimiter, is_line=False)
    headings = _named(cells)
    pairs = split_headers(headings, targets)
    columns = tuple(column for column, _ in pairs)
    double = [column for column, number in Counter(columns).items() if number > 1]
    if double:
        raise DataError(
            f"{file.name}: several columns are named {double[0]!r}; give each its name"
        )
    units = {column: unit for column, unit in pairs if unit is not None}
    remarks = no_units(headings, pairs)
    return Header(columns, units, delimiter, is_line=True, no_units=remarks)


def csv_rows(file: TextFile, header: Header) -> Iterator[Row]:
    """Yield the rows below the header.

    Raises:
        DataError: If the table cannot be read.
    """
    lines = _lines(file, header.delimiter)
    if header.is_line:
        next(lines, None)
    for number, line in enumerate(lines, 1):
        problem = ""
        if any(cell.strip() for cell in line[len(header.columns) :]):
            problem = f"{len(line)} values for {len(header.columns)} columns"
        yield Row(number, dict(zip(header.columns, line, strict=False)), problem)


def _delimiter(file: TextFile) -> str:
    """Return what most often stands in the heading, and in the row below it, too.

    There may be as many semicolons as commas: those of decimals.
    """
    lines = (_QUOTED.sub("", line) for line in file.lines() if line.strip())
    heading, row = next(lines, ""), next(lines, "")
    return max(
        ";\t,|",
        key=lambda sign: (
            min(heading.count(sign), row.count(sign)),
            heading.count(sign),
        ),
    )


def _lines(file: TextFile, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD_LIMIT)  # structures as text are long
    try:
        # Quotes behind blanks, as people write them, would be letters like others.
        start = _QUOTED.sub("\0", "".join(islice(file.lines(), 2)))
        is_spaced = re.search(f"{re.escape(delimiter)} +\0", start) is not None
        reader = csv.reader(
            file.lines(), delimiter=delimiter, skipinitialspace=is_spaced
        )
        for number, line in enumerate(reader):
            if any(line) and (number or line != _DELIMITER_LINE):
                yield [text_of_cell(cell) for cell in line]
    except csv.Error as error:
        raise DataError(f"{file.name}: not a CSV table: {error}") from error


def _is_value(cell: str) -> bool:
    return number_of(cell) is not None or bool(separated(cell) or is_gap(cell))


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
