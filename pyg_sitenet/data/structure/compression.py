"""Compressed files, unpacked as far as they can be meant and no further."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from posixpath import splitext
from typing import Any, BinaryIO, NamedTuple, Protocol

from pyg_sitenet.errors import SiteNetError

# Text of crystals shrinks to a tenth; what shrinks this much was made to harm.
MAX_RATIO = 500
UNSUSPICIOUS_BYTES = 64 * 1024**2

# What reading a damaged or foreign file is known to raise.
READ_ERRORS = (
    OSError,
    EOFError,
    NotImplementedError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Packing(NamedTuple):
    title: str
    unpack: Callable[[Any], Any]


_PACKINGS = {
    ".gz": _Packing("gzip", gzip.open),
    ".bz2": _Packing("bzip2", bz2.open),
    ".xz": _Packing("xz", lzma.open),
}


class Unpacked(Protocol):
    """What is read of a file: its bytes, unpacked if they were packed."""

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end."""

    def readline(self, size: int) -> bytes:
        """Return a line with its end, or so many bytes of it."""


def uncompressed(name: str) -> str:
    """Return the name of a file without the ending of its compression."""
    stem, suffix = splitext(name)
    return stem if suffix.lower() in _PACKINGS else name


@contextmanager
def unpacked(
    packed: BinaryIO, file_name: str, name: str, error: type[SiteNetError]
) -> Iterator[Unpacked]:
    """Give the bytes of a file that may be compressed.

    Args:
        packed: The file.
        file_name: Its ending says how it is compressed.
        name: What it is called in messages.
        error: Raised if it is damaged or unpacks to more than could be meant.
    """
    packing = _PACKINGS.get(splitext(file_name)[1].lower())
    if packing is None:
        yield packed
        return
    try:
        with packing.unpack(packed) as content:
            yield _Bounded(content, packed, name, error)
    except READ_ERRORS as problem:
        raise error(
            f"{name}: damaged {packing.title} file: {problem}; make it again"
        ) from problem


class _Bounded:
    """Reads a compressed file until it unpacks to more than could be meant."""

    def __init__(
        self,
        content: Unpacked,
        packed: BinaryIO,
        name: str,
        error: type[SiteNetError],
    ) -> None:
        self._content, self._packed = content, packed
        self._name, self._error = name, error
        self._done = 0

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self._counted(self._content.read(min(size, 1 << 20)))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def readline(self, size: int) -> bytes:
        return self._counted(self._content.readline(size))

    def _counted(self, part: bytes) -> bytes:
        self._done += len(part)
        allowed = UNSUSPICIOUS_BYTES + MAX_RATIO * self._packed.tell()
        if self._done > allowed:
            raise self._error(
                f"{self._name}: unpacks to more than {allowed} bytes, far more than "
                "crystals do; unpack it yourself"
            )
        return part
