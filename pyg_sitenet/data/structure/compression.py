"""Compressed files, unpacked as far as they can be meant and no further."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from posixpath import splitext
from typing import Any, BinaryIO, Protocol

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


_PACKINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    ".gz": ("gzip", gzip.open),
    ".bz2": ("bzip2", bz2.open),
    ".xz": ("xz", lzma.open),
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
    title, unpack = packing
    try:
        with unpack(packed) as content:
            yield _Bounded(content, packed, name, error)
    except READ_ERRORS as problem:
        raise error(
            f"{name}: damaged {title} file: {problem}; make it again"
        ) from problem


@dataclass
class _Bounded:
    """Reads a compressed file until it unpacks to more than could be meant."""

    content: Unpacked
    packed: BinaryIO
    name: str
    error: type[SiteNetError]
    done: int = 0

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self._counted(self.content.read(min(size, 1 << 20)))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def readline(self, size: int) -> bytes:
        return self._counted(self.content.readline(size))

    def _counted(self, part: bytes) -> bytes:
        self.done += len(part)
        allowed = UNSUSPICIOUS_BYTES + MAX_RATIO * self.packed.tell()
        if self.done > allowed:
            raise self.error(
                f"{self.name}: unpacks to more than {allowed} bytes, far more than "
                "crystals do; unpack it yourself"
            )
        return part
