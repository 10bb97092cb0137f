"""The one sheet of an Excel file, as a CSV table that is read like any other."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, BinaryIO
from xml.parsers import expat  # nosec B407  # stops before any entity is declared
from zipfile import ZipFile

from pyg_sitenet.data.readers.tables.row import PERCENT, SHEET, STORED
from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.compression import MAX_RATIO
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError, StructureError

MAX_BYTES = 128 * 1024**2
"""Unpacked, of all that a spreadsheet consists of."""
MAX_COLUMNS = 2000
MAX_SHEETS = 100
_MAX_ROWS = 2**20  # those of Excel
_MAX_OTHER = 8 * 1024**2  # styles and the like are held as a whole
_STREAMED = ("xl/worksheets/", "xl/sharedStrings")
_XML = (".xml", ".rels")
_UNSUSPICIOUS = 2**20
_LITERAL = re.compile(r'"[^"]*"|[\\_*].|\[[^\]]*\]')
"""Of a format of numbers, what is shown as it stands."""
_SAVE = "save its sheet as CSV (UTF-8)"


def sheet_as_csv(file: TextFile) -> TextFile:
    """Return the cells of a spreadsheet as a CSV table, formulas as they were computed.

    Raises:
        DataError: If openpyxl is not installed, or if the file is damaged, holds no
            table or several, or more than could be meant.
    """
    openpyxl = _import_openpyxl(file.name)
    table = io.StringIO()
    try:
        with reading(file.name), file.open_bytes() as packed:
            _check(file.name, packed)
            book = openpyxl.load_workbook(
                packed, read_only=True, data_only=True, keep_links=False
            )
            lines = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\n")
            for row in _only_sheet(file.name, book):
                size = sum(map(len, row))
                if table.tell() + size > MAX_BYTES:  # cells may share one text
                    raise DataError(
                        f"{file.name}: a sheet of more than {MAX_BYTES} letters;"
                        f" {_SAVE}"
                    )
                lines.writerow(row)
    except StructureError as error:
        raise DataError(str(error)) from error
    content = table.getvalue().encode("utf-8", "replace")
    return TextFile(file.name, partial(io.BytesIO, content), SHEET)


def _import_openpyxl(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module("openpyxl")
    except ImportError as error:
        raise DataError(
            f"{name}: a spreadsheet, which needs the package openpyxl; {_SAVE}, or "
            "pip install 'pyg-sitenet[xlsx]'"
        ) from error


def _check(name: str, packed: BinaryIO) -> None:
    """Refuse what would unpack to more than could be meant, or declares entities."""
    if packed.read(4) == b"\xd0\xcf\x11\xe0":
        raise DataError(
            f"{name}: an encrypted spreadsheet, or one of another format; {_SAVE}"
        )
    packed.seek(0)
    with ZipFile(packed) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        for member in members:
            size = member.file_size
            is_large = size > _UNSUSPICIOUS and size > MAX_RATIO * member.compress_size
            if not member.filename.startswith(_STREAMED):
                is_large = is_large or size > _MAX_OTHER
            if is_large or total > MAX_BYTES:
                raise DataError(
                    f"{name}: a spreadsheet that unpacks to {total} bytes, of which"
                    f" {size} are {member.filename!r:.80}, more than is read; {_SAVE}"
                )
            with archive.open(member) as part:
                if _declares(part, is_xml=member.filename.endswith(_XML)):
                    raise DataError(
                        f"{name}: {member.filename!r:.80} declares a document type,"
                        f" as no spreadsheet does; {_SAVE}"
                    )
    packed.seek(0)


def _declares(part: Any, *, is_xml: bool) -> bool:  # noqa: ANN401 - an open file
    """Tell whether XML, under whatever name, declares a type that may hold entities."""
    events: list[bool] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: events.append(True)
    parser.StartElementHandler = lambda *_: events.append(False)
    with nullcontext() if is_xml else suppress(expat.ExpatError):
        while not events and (piece := part.read(4096)):
            parser.Parse(piece)
    return bool(events) and events[0]


def _only_sheet(name: str, book: Any) -> Iterator[list[str]]:  # noqa: ANN401
    """Yield the rows of the sheet that has cells."""
    sheets: dict[str, Iterable[list[str]]] = {}
    if len(book.worksheets) > MAX_SHEETS:  # which may all be one part of the file
        raise DataError(
            f"{name}: {len(book.worksheets)} sheets, more than {MAX_SHEETS}; {_SAVE}"
        )
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # which programs state wrongly
        if any(_rows(name, sheet)):
            sheets[sheet.title] = _rows(name, sheet)
    if len(sheets) != 1:
        shown = ", ".join(map(repr, sheets)) or "none"
        raise DataError(
            f"{name}: expected one sheet with cells, got {shown:.200}; save the one"
            " with the crystals as CSV (UTF-8), or in a file of its own"
        )
    yield from next(iter(sheets.values()))


def _rows(name: str, sheet: Any) -> Iterator[list[str]]:  # noqa: ANN401
    """Yield rows that have cells, without the empty ones at their end."""
    for row in sheet.iter_rows(max_row=_MAX_ROWS):
        if len(row) > MAX_COLUMNS:
            raise DataError(
                f"{name}: a sheet of {len(row)} columns, more than the {MAX_COLUMNS}"
                f" that are read; {_SAVE}"
            )
        length = max(
            (k for k, cell in enumerate(row, 1) if cell.value is not None), default=0
        )
        if length:
            yield [_text(cell) for cell in row[:length]]


def _text(cell: Any) -> str:  # noqa: ANN401 - a cell
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{STORED}{value}{PERCENT if _shows_percent(cell.number_format) else ''}"
    return "" if value is None else str(value).lstrip(STORED)


@lru_cache
def _shows_percent(number_format: str) -> bool:
    """Tell whether a format shows 0.5 as 50 %, rather than a sign behind the number."""
    return "%" in _LITERAL.sub("", number_format)
