"""Files before their format: text, compression, and what reading them may raise."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import sqlite3
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
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
    if path.stat().st_size == 0:
        raise StructureError(f"{path}: the file is empty; export it again")


def uncompressed_name(path: Path) -> str:
    """Return the name of a file in lower case without endings of compression."""
    name = path.name.lower()
    for ending in _DECOMPRESS:
        name = name.removesuffix(ending)
    return name


def read_text(path: Path) -> str:
    """Return the text of a file, which may be compressed.

    Raises:
        StructureError: If it cannot be read, is not UTF-8 or holds nothing.
    """
    decompress = _DECOMPRESS.get(path.suffix.lower(), bytes)
    with reading(str(path)):
        content = decompress(path.read_bytes())
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StructureError(
            f"{path}: not UTF-8 text (byte {error.start + 1}); save it as UTF-8"
        ) from error
    if not text.strip():
        raise StructureError(f"{path}: the file is empty; export it again")
    return text
