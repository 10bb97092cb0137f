"""Every CSV file we write, and reading it back.

No cell of it is a formula to a spreadsheet or a command to a terminal
(:func:`~pyg_sitenet.safe_text.cell_text`). A file grows row by row and can be continued
where it was safe on disk, or is written at once.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pyg_sitenet.atomic_write import replacing
from pyg_sitenet.errors import DataError, reporting_os_error
from pyg_sitenet.safe_text import cell_text, text_of_cell

if TYPE_CHECKING:
    import pandas as pd

Own = TypeVar("Own", bound="CsvFile")

ELSEWHERE = "free space or choose another output (--output)"
"""What to do where a command cannot write its output."""
_BLOCK = 1 << 20
_LARGEST_SINGLE = 3e38
_LARGEST_PLAIN = 1e16  # from here on Python writes powers of ten


class FileState(BaseModel):
    """How far a file had grown, and a hash of what it held.

    Attributes:
        num_bytes: Its length.
        sha256: Of its content up to there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_bytes: int = Field(ge=0)
    sha256: str


class CsvFile:
    """Rows under headings, written as they come.

    Args:
        path: The file; its folder is made if there is none.
        headings: Names of the columns.
        state: Go on from here: what comes after it in the file is cut off.

    Raises:
        DataError: If the file cannot be written, or does not hold what it did.
    """

    def __init__(
        self, path: Path, headings: Sequence[str], state: FileState | None = None
    ) -> None:
        self.path = path
        self._delimiter = delimiter_of(path)
        self._digest = hashlib.sha256()
        with reporting_os_error(path, ELSEWHERE):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer, which would be written again when the file is closed
            # after the disk was full.
            mode = "wb" if state is None else "r+b"
            self._file = path.open(mode, buffering=0)
        self._num_bytes = 0
        try:
            if state is None:
                self.add(headings)
            else:
                self._go_on(state)
        except DataError:
            self._file.close()
            raise

    def __enter__(self: Own) -> Own:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: Sequence[object]) -> None:
        """Append a row and hand it to the system.

        Raises:
            DataError: If the disk is full or does not take it for another reason.
        """
        line = _line(row, self._delimiter)
        left = memoryview(line)
        with reporting_os_error(self.path, ELSEWHERE):
            while left:
                left = left[self._file.write(left) :]
        self._digest.update(line)
        self._num_bytes += len(line)

    def sync(self) -> FileState:
        """Wait until all rows are on the disk, and return how far the file has grown.

        Raises:
            DataError: If the disk is full or does not take it for another reason.
        """
        with reporting_os_error(self.path, ELSEWHERE):
            os.fsync(self._file.fileno())
        return FileState(num_bytes=self._num_bytes, sha256=self._digest.hexdigest())

    def _go_on(self, state: FileState) -> None:
        left = state.num_bytes
        while block := self._file.read(min(left, _BLOCK)):
            self._digest.update(block)
            left -= len(block)
        if left or self._digest.hexdigest() != state.sha256:
            raise DataError(
                f"{self.path}: has been changed since it was written, so it cannot be "
                "continued; start again with overwrite (--overwrite)"
            )
        self._num_bytes = state.num_bytes
        if self._file.read(1):  # what a stopped run wrote after its last record
            self._file.seek(state.num_bytes)
            self._file.truncate()


def beside(output: Path, ending: str) -> Path:
    """Return where a file goes that belongs to another one, and to it alone.

    Example:
        >>> [beside(Path(name), "run.json").name for name in ("a.csv", "a.npz")]
        ['a_run.json', 'a.npz_run.json']

    Raises:
        DataError: If the path has no name.
    """
    if output.name in ("", "-", ".."):
        raise DataError(
            f"{str(output)!r} names no file; give one such as gaps.csv (--output)"
        )
    stem = output.stem if output.suffix == ".csv" else output.name
    return output.with_name(f"{stem}_{ending}")


def number_text(value: float) -> str:
    """Return the shortest text that is this number again, in its precision.

    Networks give single precision, in which no more than nine digits mean anything.

    Example:
        >>> number_text(0.1), number_text(-1047520.04), number_text(np.float32(0.1))
        ('0.1', '-1047520.04', '0.1')
        >>> number_text(-1047520.0), number_text(1e20)
        ('-1047520', '1e+20')
    """
    single = np.float32(value) if abs(value) < _LARGEST_SINGLE else math.inf
    if float(single) != value:
        return repr(float(value)).removesuffix(".0")
    if 1 <= abs(value) < _LARGEST_PLAIN:  # like the others of its column
        return np.format_float_positional(single, trim="-")
    return str(single).removesuffix(".0")


def write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows at once, the headings first.

    Args:
        path: The file; at every moment it holds all of its rows.
        rows: Its cells.

    Raises:
        DataError: If the file cannot be written.
    """
    delimiter = delimiter_of(path)
    with reporting_os_error(path, ELSEWHERE), replacing(path) as file:
        for row in rows:
            file.write(_line(row, delimiter))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table at once; an unknown number becomes an empty cell.

    Args:
        path: The file; at every moment it holds all of a table.
        table: Its rows.

    Raises:
        DataError: If the file cannot be written.
    """
    safe = table.rename(columns=lambda name: cell_text(str(name)))
    for column, kind in enumerate(table.dtypes):
        if kind.kind == "O":
            safe.isetitem(column, table.iloc[:, column].map(_cell))
    with reporting_os_error(path, ELSEWHERE), replacing(path) as file:
        safe.to_csv(
            file,
            sep=delimiter_of(path),
            index=False,
            float_format=number_text,
            lineterminator="\n",
            mode="wb",
        )


def read_csv(path: Path) -> Iterator[list[str]]:
    """Yield headings and rows of a file of ours, each cell as it was before writing.

    Raises:
        DataError: If the file cannot be read, or a row has not a cell per heading.
    """
    width = None
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, delimiter=delimiter_of(path))
            for row in reader:
                width = len(row) if width is None else width
                if len(row) != width:
                    raise csv.Error(f"{len(row)} cells for {width} columns")
                yield [text_of_cell(cell) for cell in row]
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}; give a CSV file"
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}, after line {reader.line_num - 1}: not a CSV file of ours: "
            f"{error}; write it again"
        ) from error


def delimiter_of(path: Path) -> str:
    """Return what separates the cells of a file: tabs in a ``.tsv``, else commas."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _line(row: Sequence[object], delimiter: str) -> bytes:
    """Return a row as it stands in a file."""
    text = StringIO(newline="")
    cells = [number_text(v) if isinstance(v, float) else _cell(v) for v in row]
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    return cell_text(str(value)) if isinstance(value, str | Path) else value
