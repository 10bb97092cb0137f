"""A CSV file that grows row by row and can be continued where it was safe on disk."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pyg_sitenet.errors import DataError

_BLOCK = 1 << 20


class FileState(BaseModel):
    """How far a file had grown, and a hash of what it held.

    Attributes:
        num_bytes: Its length.
        sha256: Of its content up to there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_bytes: int
    sha256: str


class CsvFile:
    """Rows under headings, written as they come.

    Args:
        path: The file; its folder is made if there is none.
        headings: Names of the columns.
        known: Go on from here: what comes after it in the file is cut off.

    Raises:
        DataError: If the file cannot be written, or does not hold what is known of it.
    """

    def __init__(
        self, path: Path, headings: Sequence[str], known: FileState | None = None
    ) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer, which would be written again when the file is closed
            # after the disk was full.
            mode = "wb" if known is None else "r+b"
            self._file = path.open(mode, buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._num_bytes = 0
        try:
            if known is None:
                self.add(headings)
            else:
                self._go_on(known)
        except DataError:
            self._file.close()
            raise

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: Sequence[object]) -> None:
        """Append a row and hand it to the system.

        Raises:
            DataError: If the disk is full or does not take it for another reason.
        """
        line = csv_line(row)
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._digest.update(line)
        self._num_bytes += len(line)

    def sync(self) -> FileState:
        """Wait until all rows are on the disk, and return how far the file has grown.

        Raises:
            DataError: If the disk is full or does not take it for another reason.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return FileState(num_bytes=self._num_bytes, sha256=self._digest.hexdigest())

    def _go_on(self, known: FileState) -> None:
        left = known.num_bytes
        while block := self._file.read(min(left, _BLOCK)):
            self._digest.update(block)
            left -= len(block)
        if left or self._digest.hexdigest() != known.sha256:
            raise DataError(
                f"{self.path}: has been changed since it was written, so it cannot be "
                "continued; start again with overwrite (--overwrite)"
            )
        self._num_bytes = known.num_bytes
        if self._file.read(1):  # what a stopped run wrote after its last record
            self._file.seek(known.num_bytes)
            self._file.truncate()


def csv_line(row: Sequence[object]) -> bytes:
    """Return a row as it stands in a file: numbers have seven digits."""
    writer = _Lines()
    cells = [f"{one:.7g}" if isinstance(one, float) else one for one in row]
    csv.writer(writer, lineterminator="\n").writerow(cells)
    return writer.line.encode(errors="backslashreplace")  # names that are no text


class _Lines:
    """What the csv module writes its line to."""

    line = ""

    def write(self, line: str) -> None:
        self.line = line


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: cannot be written: {error.strerror or error}; free space or choose "
        "another output (--output)"
    )
