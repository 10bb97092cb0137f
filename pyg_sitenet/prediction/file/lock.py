"""Locking an output file against other processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pyg_sitenet.errors import DataError


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Lock an output file for this process, until the end or its death.

    The lock is a hidden file beside the output, removed in the end. Processes that this
    one forks do not hold it.

    Raises:
        DataError: If another process has locked it, its folder cannot be written, or it
            is something else than a file.
    """
    if output.exists() and not output.is_file():
        raise DataError(
            f"{output}: not a regular file; choose another output (--output)"
        )
    path = output.with_name(f".{output.name}.lock")
    lock = FileLock(path, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"{output}: another process is writing it; wait for its end, or choose "
            "another output (--output)"
        ) from error
    except OSError as error:
        raise DataError(
            f"{output}: cannot be written: {error.strerror or error}; choose another "
            "output (--output)"
        ) from error
    try:
        yield
    finally:
        # Before the release: a process that locks a removed file tries again.
        with suppress(OSError):  # Windows removes no open file
            path.unlink()
        lock.release()
