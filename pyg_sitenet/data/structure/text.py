"""Files before their format: text, compression, and what reading them may raise."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import logging
import lzma
import sqlite3
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ase.io import ParseError
from ase.io.formats import UnknownFileTypeError
from pymatgen.core.structure import StructureError as PymatgenStructureError

from pyg_sitenet.errors import SiteNetWarning, StructureError

_log = logging.getLogger(__name__)

# What the readers of pymatgen and ASE are known to raise on damaged files.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    ParseError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UnknownFileTypeError,
    UserWarning,
    ValueError,
    ImportError,
    PymatgenStructureError,
    lzma.LZMAError,
    sqlite3.Error,
    struct.error,
    zlib.error,
)
_OPEN: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


@contextmanager
def reading(origin: str) -> Iterator[list[str]]:
    """Turn what third-party readers raise into an error that names the file.

    Yields:
        A list that fills with their warnings, which are logged and not shown.
    """
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield texts
        except StructureError:
            raise
        except _READER_ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, KeyError):
                reason = f"unknown name {reason}"
            raise StructureError(
                f"{origin}: cannot be read, it is damaged, truncated or of another"
                f" format ({reason[:200]}); export it again"
            ) from error
        finally:
            ours = [w for w in caught if issubclass(w.category, SiteNetWarning)]
            theirs = [w for w in caught if w not in ours]
            texts.extend(" ".join(str(w.message).split()) for w in theirs)
    for text in texts:
        _log.info("%s: %s", origin, text)
    for warning in ours:
        warnings.warn(warning.message, stacklevel=3)


def check_file(path: Path) -> None:
    """Check that there is a file with something in it.

    Raises:
        StructureError: If there is none.
    """
    if not path.exists():
        raise StructureError(f"{path}: no such file")
    if path.is_dir():
        raise StructureError(f"{path}: a folder where a structure file is expected")
    if not path.is_file():
        raise StructureError(
            f"{path}: a pipe, socket or device where a structure file is expected"
        )
    if path.stat().st_size == 0:
        raise StructureError(f"{path}: the file is empty; export it again")


def uncompressed_name(path: Path) -> str:
    """Return the name of a file in lower case without endings of compression."""
    name = path.name.lower()
    for ending in _OPEN:
        name = name.removesuffix(ending)
    return name


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file, which may be compressed and of any size.

    Raises:
        StructureError: If it cannot be read, is not UTF-8 or holds nothing.
    """
    number, is_empty = 0, True
    open_file = _OPEN.get(path.suffix.lower(), open)
    try:
        with open_file(path, "rb") as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if "\0" in text:
                    raise StructureError(
                        f"{path}: damaged or no text (NUL in line {number}); export it"
                        " again as UTF-8"
                    )
                is_empty = is_empty and not text.strip()
                if "\r" in text:  # ends of lines of other systems
                    yield from io.StringIO(text, newline=None)
                else:
                    yield text
    except UnicodeDecodeError as error:
        raise StructureError(
            f"{path}: not UTF-8 text (line {number}); save it as UTF-8"
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise StructureError(
            f"{path}: cannot be read, it is damaged or truncated ({error}); export it"
            " again"
        ) from error
    if is_empty:
        raise StructureError(f"{path}: the file is empty; export it again")


def read_text(path: Path) -> str:
    """Return the text of a file, which may be compressed.

    Raises:
        StructureError: If it cannot be read, is not UTF-8 or holds nothing.
    """
    return "".join(text_lines(path))
