"""Files that are whole at every moment, whatever interrupts their writing."""

from __future__ import annotations

import errno
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AssertionError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
"""What reading bytes that are no checkpoint, or half of one, ends with."""


@contextmanager
def replacing(
    path: Path, *, keep: Path | None = None, shared: bool = False
) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` that takes its place when all of it is on the disk.

    If writing fails, ``path`` stays as it was and nothing is left beside it.

    Args:
        path: The file to write.
        keep: Where the one before goes. (default: nowhere)
        shared: Several processes may write the file at the same time; the last wins.
    """
    # A part under one name is overwritten by the next writer if this one is killed;
    # processes that write at the same time need a part each.
    process = f".{os.getpid()}" if shared else ""
    part = path.with_name(f".{path.name}{process}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename is None:  # a full disk is told without saying where
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, shared: bool = False) -> None:
    """Write a text: at every moment the file holds the one before or all of this.

    Args:
        path: The file to write.
        text: Its whole content.
        shared: See :func:`replacing`.
    """
    with replacing(path, shared=shared) as file:
        file.write(text.encode("utf-8"))


def check_stored(path: Path) -> None:
    """Check that a zip file such as a checkpoint holds no more than its own length.

    PyTorch writes nothing compressed, but unpacks what is, however large it becomes.

    Raises:
        zipfile.BadZipFile: If its parts are compressed, or overlap.
    """
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return
    with zipfile.ZipFile(path) as archive:
        length = sum(entry.file_size for entry in archive.infolist())
    if length > path.stat().st_size:
        raise zipfile.BadZipFile(f"it would unpack to {length} bytes")


def os_reason(error: BaseException) -> str | None:
    """Return what the system said, be it under errors of a library; None if nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return None


def room_remedy(reason: str | None) -> str:
    """Return what to do where the system said so of what is written."""
    if reason == os.strerror(errno.EFBIG):
        return "raise the limit on the size of a file (ulimit -f)"
    return "free some space"


def read_problem(error: BaseException) -> str:
    """Say that something cannot be read, why, and what to do if it may not be."""
    remedy = "; change its permissions" if isinstance(error, PermissionError) else ""
    return f"cannot be read: {os_reason(error) or error}{remedy}"


def sync_folder(folder: Path) -> None:
    """Let a new name itself survive a power cut, where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
