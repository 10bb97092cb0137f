"""Tables of crystals (CSV, JSON, JSON lines) as rows of named values."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pyg_sitenet.errors import DataError

ID_COLUMNS = ("id", "material_id", "identifier", "name")
STRUCTURE_COLUMNS = ("structure", "cif", "poscar", "atoms")
FILE_COLUMNS = ("file", "path", "filename", "file_name", "structure_file", "cif_file")
UNIT_COLUMN = "unit"

MAX_TABLE_BYTES = 8 * 1024**3
_FIELD_LIMIT = 16 * 1024**2
_QUOTED = re.compile('"[^"]*"')
_HEADER = re.compile(r"^(?P<name>.*\S)\s*[\[(](?P<unit>[^\[\]()]*)[\])]$")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        number: From 1, without the header.
        values: Value of each column.
        problem: Why the row could not be read, or nothing.
    """

    number: int
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """A table of crystals.

    Args:
        name: Where it is, for messages.
        rows: Its rows.
        columns: Names of the columns, without units.
        units: Unit of each column whose header states one.
    """

    name: str
    rows: Sequence[Row]
    columns: Sequence[str]
    units: Mapping[str, str] = field(default_factory=dict)

    def column_of(self, names: Sequence[str]) -> str | None:
        """Return the first column that has one of the names, in any case."""
        lower = {column.lower(): column for column in self.columns}
        return next((lower[name] for name in names if name in lower), None)


def read_table(name: str, content: bytes, headers: Sequence[str] = ()) -> Table:
    """Read a table from the bytes of its file.

    Args:
        name: Path of the file; its ending tells the format.
        content: Bytes of the file.
        headers: Names of the value columns if the file has none (``id_prop.csv``).

    Raises:
        DataError: If it cannot be read as what its name says.
    """
    text = _decode(name, content)
    suffix = PurePosixPath(name.lower().removesuffix(".gz")).suffix
    if suffix == ".csv":
        return _read_csv(name, text, headers)
    rows = list(_json_lines(text) if suffix == ".jsonl" else _json_rows(name, text))
    columns = dict.fromkeys(column for row in rows for column in row.values)
    return Table(name, rows, list(columns))


def split_unit(header: str) -> tuple[str, str | None]:
    """Split ``gap [eV]`` or ``gap (eV)`` into name and unit.

    Example:
        >>> split_unit("gap [eV]"), split_unit("gap")
        (('gap', 'eV'), ('gap', None))
    """
    match = _HEADER.match(header.strip())
    if match is None:
        return header.strip(), None
    return match["name"], match["unit"].strip()


def _decode(name: str, content: bytes) -> str:
    try:
        if name.lower().endswith(".gz"):
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(MAX_TABLE_BYTES + 1)
        if len(content) > MAX_TABLE_BYTES:
            raise DataError(f"{name}: larger than {MAX_TABLE_BYTES} bytes; split it")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: damaged gzip file: {error}") from error


def _read_csv(name: str, text: str, headers: Sequence[str]) -> Table:
    csv.field_size_limit(_FIELD_LIMIT)  # structures as text are long
    first = _QUOTED.sub("", text.split("\n", 1)[0])
    delimiter = max(",;\t", key=first.count)
    try:
        lines = [
            line
            for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            if any(line)
        ]
    except csv.Error as error:
        raise DataError(f"{name}: not a CSV table: {error}") from error
    if not lines:
        raise DataError(f"{name}: the table is empty")
    header = lines.pop(0)
    if PurePosixPath(name).name == "id_prop.csv" and _is_number(header[-1]):
        lines.insert(0, header)
        header = ["id", *_unnamed_columns(len(header) - 1, headers)]
    pairs = [split_unit(cell) for cell in header]
    columns = [column for column, _ in pairs]
    double = {column for column in columns if columns.count(column) > 1}
    if double:
        raise DataError(f"{name}: several columns are named {sorted(double)[0]!r}")
    rows = [_csv_row(number, columns, line) for number, line in enumerate(lines, 1)]
    units = {column: unit for column, unit in pairs if unit is not None}
    return Table(name, rows, columns, units)


def _csv_row(number: int, columns: Sequence[str], line: Sequence[str]) -> Row:
    if len(line) > len(columns):
        return Row(
            number,
            dict(zip(columns, line, strict=False)),
            f"{len(line)} values for {len(columns)} columns",
        )
    return Row(number, dict(zip(columns, line, strict=False)))


def _unnamed_columns(count: int, asked: Sequence[str]) -> list[str]:
    """Name columns without header as they are asked for, if the number agrees."""
    if len(asked) == count:
        return list(asked)
    return ["target", *(f"target_{k}" for k in range(2, count + 1))][:count]


def _json_lines(text: str) -> Iterator[Row]:
    lines = (line for line in text.split("\n") if line.strip())
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(number, problem=f"not JSON: {error}")
            continue
        yield _json_row(number, values)


def _json_rows(name: str, text: str) -> Iterator[Row]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON: {error}") from error
    for number, values in enumerate(_rows_of_document(name, document), 1):
        yield _json_row(number, values)


def _json_row(number: int, values: object) -> Row:
    if not isinstance(values, dict):
        return Row(number, problem=f"expected an object, got {type(values).__name__}")
    return Row(number, values)


def _rows_of_document(name: str, document: object) -> list[object]:
    """Find the rows in a JSON document: a list of them, or what pandas writes."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        if "lattice" in document:
            return [{"structure": document}]
        if "columns" in document and "data" in document:
            return _rows_of_split(document)
        if document and all(isinstance(value, dict) for value in document.values()):
            return _rows_of_mapping(document)
    raise DataError(
        f"{name}: expected a list of rows such as "
        '[{"id": ..., "structure": ..., "gap": ...}]'
    )


def _rows_of_split(document: dict[str, Any]) -> list[object]:
    """Rows of pandas' ``orient="split"``, as Matbench publishes its tasks."""
    rows = [
        dict(zip(document["columns"], row, strict=False)) for row in document["data"]
    ]
    ids = document.get("index", range(len(rows)))
    return [{"id": id_, **row} for id_, row in zip(ids, rows, strict=False)]


def _rows_of_mapping(document: dict[str, dict[str, Any]]) -> list[object]:
    """Rows of ``{id: row}``, or of pandas' default ``{column: {id: value}}``."""
    known = {*STRUCTURE_COLUMNS, *FILE_COLUMNS}
    if not known & {column.lower() for column in document}:
        return [{"id": id_, **row} for id_, row in document.items()]
    ids = dict.fromkeys(id_ for column in document.values() for id_ in column)
    return [
        {"id": id_, **{name: column.get(id_) for name, column in document.items()}}
        for id_ in ids
    ]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
