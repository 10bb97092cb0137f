"""Holding an output file against other processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyg_sitenet.errors import DataError


@contextmanager
def held(output: Path) -> Iterator[None]:
    """Hold an output file for this process, until the end or its death.

    A hidden file beside the output is locked and removed in the end.

    Raises:
        DataError: If another process holds it, its folder cannot be written, or it is
            something else than a file.
    """
    if output.exists() and not output.is_file():
        raise DataError(
            f"{output}: not a regular file; choose another output (--output)"
        )
    path = output.with_name(f".{output.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _open_and_lock(path)
    except OSError as error:
        raise DataError(
            f"{output}: cannot be written: {error.strerror or error}; choose another "
            "output (--output)"
        ) from error
    if descriptor is None:
        raise DataError(
            f"{output}: another process is writing it; wait for its end, or choose "
            "another output (--output)"
        )
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file
            path.unlink()
        os.close(descriptor)


def _open_and_lock(path: Path) -> int | None:
    """Return the locked file, or None if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        # The one who held it before may have removed it in between.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        # Not flock: processes that were forked to encode crystals would share the lock
        # and outlive this one for a moment.
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True
