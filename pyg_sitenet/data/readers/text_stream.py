"""Text of files of any size, line by line or in pieces, never as a whole."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from pyg_sitenet.errors import DataError

# A line or value of a table holds one crystal: 10,000 sites take a few MB.
MAX_VALUE_BYTES = 64 * 1024**2

# Text of crystals shrinks to a tenth; what shrinks this much was made to harm.
_MAX_RATIO = 500
_UNSUSPICIOUS_BYTES = 64 * 1024**2

_PIECE = 1 << 20

# What reading a damaged or foreign file is known to raise.
READ_ERRORS = (
    OSError,
    EOFError,
    NotImplementedError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class TextFile:
    """A UTF-8 file that can be read from its start any number of times.

    Args:
        name: Path of the file, for messages; ``.gz`` at its end says it is compressed.
        open_bytes: Opens it.
    """

    name: str
    open_bytes: Callable[[], BinaryIO]

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends, which may be those of any system.

        Raises:
            DataError: If the file cannot be read, is not UTF-8 or has a line that no
                crystal needs.
        """
        with self._opened() as file:
            number = 0
            while line := file.readline(MAX_VALUE_BYTES + 1):
                number += 1
                text = self._decode(line, number)
                if "\r" in text.rstrip("\r\n"):
                    yield from io.StringIO(text, newline="")
                else:
                    yield text

    def pieces(self) -> Iterator[str]:
        """Yield the text in pieces of about a million letters.

        Raises:
            DataError: If the file cannot be read or is not UTF-8.
        """
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        with self._opened() as file:
            done = 0
            while piece := file.read(_PIECE):
                try:
                    yield decoder.decode(piece)
                except UnicodeDecodeError as error:
                    where = f"near byte {done + error.start + 1}"
                    raise self._not_utf8(where) from error
                done += len(piece)
            try:
                yield decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:
                raise self._not_utf8("at its end") from error

    def _decode(self, line: bytes, number: int) -> str:
        if len(line) > MAX_VALUE_BYTES:
            raise DataError(
                f"{self.name}: line {number} is longer than {MAX_VALUE_BYTES} bytes; "
                "write one crystal a line"
            )
        if b"\0" in line:
            raise self._not_utf8(f"NUL in line {number}")
        try:
            return line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self._not_utf8(f"line {number}") from error

    def _not_utf8(self, where: str) -> DataError:
        return DataError(f"{self.name}: not UTF-8 text ({where}); save it as UTF-8")

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the file, unpacked if it is compressed; name it in every error."""
        is_packed = self.name.lower().endswith(".gz")
        try:
            with self.open_bytes() as file:
                if not is_packed:
                    yield file
                    return
                with gzip.open(file) as unpacked:
                    yield cast(BinaryIO, _Bounded(unpacked, file, self.name))
        except READ_ERRORS as error:
            kind = "damaged gzip file" if is_packed else "cannot be read"
            raise DataError(f"{self.name}: {kind}: {error}") from error


class _Bounded:
    """Reads a compressed file until it unpacks to more than could be meant."""

    def __init__(self, unpacked: gzip.GzipFile, packed: BinaryIO, name: str) -> None:
        self._unpacked, self._packed, self._name = unpacked, packed, name
        self._done = 0

    def readline(self, size: int) -> bytes:
        return self._counted(self._unpacked.readline(size))

    def read(self, size: int) -> bytes:
        return self._counted(self._unpacked.read(size))

    def _counted(self, piece: bytes) -> bytes:
        self._done += len(piece)
        allowed = _UNSUSPICIOUS_BYTES + _MAX_RATIO * self._packed.tell()
        if self._done > allowed:
            raise DataError(
                f"{self._name}: unpacks to more than {allowed} bytes, far more than "
                "crystals do; unpack it yourself"
            )
        return piece
