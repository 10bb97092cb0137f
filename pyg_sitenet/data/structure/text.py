"""Text of files of any size, in lines, in pieces or, if it is short, as a whole."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pyg_sitenet.atomic_write import read_problem
from pyg_sitenet.data.structure.compression import READ_ERRORS, Unpacked, unpacked
from pyg_sitenet.errors import DataError, SiteNetError, StructureError

# A line or value of a table holds one crystal: 10,000 sites take a few MB.
MAX_VALUE_BYTES = 64 * 1024**2

# One structure is held as a whole: 100,000 atoms take 10 MB in the longest format.
MAX_TEXT_BYTES = 32 * 1024**2
MAX_TEXT_LINES = 2_000_000

_PIECE = 1 << 20
_KINDS: dict[str, bytes | tuple[bytes, ...]] = {
    "a zip archive or a spreadsheet": b"PK\x03\x04",
    "UTF-16 text": (b"\xff\xfe", b"\xfe\xff"),
    "a PDF file": b"%PDF-",
    "packed by gzip": b"\x1f\x8b",
}
_MAX_PATH = 4095  # letters


@dataclass(frozen=True)
class TextFile:
    """A UTF-8 file that can be read from its start any number of times.

    Args:
        name: What it is called in messages, such as its path.
        open_bytes: Opens it.
        file_name: Its ending says whether it is compressed. (default: ``name``)
        error: Raised if it cannot be read.
        path: Where it is, if it is on disk.
    """

    name: str
    open_bytes: Callable[[], BinaryIO]
    file_name: str = ""
    error: type[SiteNetError] = DataError
    path: Path | None = None

    @classmethod
    def at(cls, path: Path) -> TextFile:
        """Return the structure file that is at a path."""
        return cls(str(path), partial(_open, path), path.name, StructureError, path)

    @classmethod
    def of(cls, content: bytes, file_name: str, name: str) -> TextFile:
        """Return a structure file that is not on disk."""
        return cls(name, partial(io.BytesIO, content), file_name, StructureError)

    def lines(self, newline: str | None = "") -> Iterator[str]:
        r"""Yield the lines with their ends, which may be those of any system.

        Args:
            newline: None turns every end into ``"\n"``.

        Raises:
            SiteNetError: If the file cannot be read, is not UTF-8 or has a line that
                no crystal needs (``error`` tells the class).
        """
        with self._opened() as file:
            number = 1
            while block := file.read(_PIECE):
                if not block.endswith(b"\n"):
                    rest = file.readline(MAX_VALUE_BYTES + 1)
                    self._check_line(rest, number + block.count(b"\n"))
                    block += rest
                yield from io.StringIO(self._decode(block, number), newline)
                number += block.count(b"\n")

    def pieces(self) -> Iterator[str]:
        """Yield the text in pieces of about a million letters.

        Raises:
            SiteNetError: If the file cannot be read or is not UTF-8.
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

    def text(self) -> str:
        r"""Return the whole text, ends of lines as ``"\n"``.

        Raises:
            SiteNetError: If the file cannot be read, is not UTF-8, holds nothing or
                more than one structure can need.
        """
        with self._opened() as file:
            content = file.read(MAX_TEXT_BYTES + 1)
        if len(content) > MAX_TEXT_BYTES:
            raise too_long(self.name, self.error)
        text = self._decode(content, 1).replace("\r\n", "\n").replace("\r", "\n")
        if text.count("\n") > MAX_TEXT_LINES:
            raise too_long(self.name, self.error)
        if not text.strip():
            raise self.error(f"{self.name}: the file is empty; export it again")
        return text

    def _check_line(self, rest: bytes, number: int) -> None:
        if len(rest) > MAX_VALUE_BYTES:
            raise self.error(
                f"{self.name}: line {number} is longer than {MAX_VALUE_BYTES} bytes; "
                "write one crystal a line"
            )

    def _decode(self, block: bytes, number: int) -> str:
        """Decode lines, the first of which has this number."""
        if number == 1:
            for kind, start in _KINDS.items():
                if block.startswith(start):
                    raise self.error(
                        f"{self.name}: not UTF-8 text but {kind}; give it as UTF-8 text"
                    )
        if b"\0" in block:
            number += block.count(b"\n", 0, block.index(b"\0"))
            raise self._not_utf8(f"NUL in line {number}")
        try:
            return block.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            number += block.count(b"\n", 0, error.start)
            raise self._not_utf8(f"line {number}") from error

    def _not_utf8(self, where: str) -> SiteNetError:
        return self.error(f"{self.name}: not UTF-8 text ({where}); save it as UTF-8")

    @contextmanager
    def _opened(self) -> Iterator[Unpacked]:
        """Open the file, unpacked if it is compressed; name it in every error."""
        file_name = self.file_name or self.name
        try:
            with (
                self.open_bytes() as packed,
                unpacked(packed, file_name, self.name, self.error) as file,
            ):
                yield file
        except READ_ERRORS as error:
            raise self.error(f"{self.name}: {read_problem(error)}") from error


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def too_long(name: str, error: type[SiteNetError]) -> SiteNetError:
    """Return what is said of a structure that takes more text than one can need."""
    return error(
        f"{name}: more text than one structure can need ({MAX_TEXT_BYTES} bytes or "
        f"{MAX_TEXT_LINES} lines); split it"
    )


def bounded(lines: Iterable[str], name: str, begins: str) -> Iterator[str]:
    """Pass lines on, but no more of one structure than can be held.

    Args:
        lines: Lines of a file.
        name: What it is called in messages.
        begins: What the first line of a structure begins with, in lower case.

    Raises:
        StructureError: If one structure has more than it can need, or all are blank.
    """
    length = count = 0
    is_blank = True
    for line in lines:
        if line[:20].lstrip().lower().startswith(begins):
            length = count = 0
        length, count = length + len(line), count + 1
        if length > MAX_TEXT_BYTES or count > MAX_TEXT_LINES:
            raise too_long(name, StructureError)
        is_blank = is_blank and not line.strip()
        yield line
    if is_blank:
        raise StructureError(f"{name}: the file is empty; export it again")


def check_file(path: Path) -> None:
    """Check that there is a file with something in it.

    Raises:
        StructureError: If there is none.
    """
    name, exists = str(path), False
    with suppress(OSError, ValueError):  # too long, or with characters of no path
        exists = path.exists()
    if not exists and (len(name) > _MAX_PATH or "\n" in name or "\0" in name):
        raise StructureError(
            f"{name[:40]!r}...: the path of a file is expected, got a text of "
            f"{len(name)} letters; write it to a file, or give a structure"
        )
    if not exists:
        raise StructureError(f"{path}: no such file")
    if path.is_dir():
        raise StructureError(
            f"{path}: a folder where a structure file is expected; give the paths of "
            "its files"
        )
    if not path.is_file():
        raise StructureError(
            f"{path}: a pipe, socket or device where a structure file is expected"
        )
    if path.stat().st_size == 0:
        raise StructureError(f"{path}: the file is empty; export it again")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def hash_readable(path: Path) -> str:
    """Return the SHA-256 of a file; nothing of one that is empty or cannot be read."""
    try:
        return hash_file(path) if path.is_file() and path.stat().st_size else ""
    except OSError:  # reading it as a structure says why
        return ""
