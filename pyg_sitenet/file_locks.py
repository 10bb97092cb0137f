"""Output files and folders: one process at a time, over nothing that is not its own."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pyg_sitenet.csv_file import ELSEWHERE, beside
from pyg_sitenet.errors import DataError, SiteNetError, reporting_os_error

FOLDER_LOCK = ".lock"
"""The file in a folder that a run in it holds."""
UNWRITABLE = "the output folder cannot be written"
_LONGEST_HEADING = 1 << 20


@contextmanager
def locked_file(output: Path) -> Iterator[None]:
    """Lock an output file for this process, until the end or its death.

    The lock is a hidden file beside the output, removed in the end.

    Raises:
        DataError: If another process has locked it, its folder cannot be written, or it
            is something other than a file.
    """
    if os.path.exists(output) and not os.path.isfile(output):
        raise DataError(
            f"{output}: not a regular file; choose another output (--output)"
        )
    # Beside the output and not on it: that may not be there yet, and is replaced by
    # another file when a table is written at once.
    path = output.with_name(f".{output.name}.lock")
    with reporting_os_error(output, "choose another output (--output)"):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquire(
            path,
            DataError(
                f"{output}: another process is writing it; wait for its end, or choose "
                "another output (--output)"
            ),
        )
    try:
        yield
    finally:
        _release(lock, path)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold an output folder for one run, until the end or the death of this process.

    The lock is a hidden file in it, removed in the end; so is the folder, if it is made
    here and stays empty.

    Raises:
        SiteNetError: If another run holds it, or it cannot be written.
    """
    is_new = not os.path.exists(folder)
    path = folder / FOLDER_LOCK
    remedy = "choose another (--output) or change its permissions"
    with reporting_os_error(folder, remedy, SiteNetError, UNWRITABLE):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _acquire(
            path,
            SiteNetError(
                f"{folder}: another run is writing to this folder; wait for its end, or"
                " choose another output folder (--output)"
            ),
        )
    try:
        yield
    finally:
        _release(lock, path)
        # A run that failed before it wrote leaves no trace. Another that began in the
        # meantime has its own lock in the folder, which then stays.
        if is_new:
            with suppress(OSError):
                folder.rmdir()


def check_not_input(output: Path, inputs: Iterable[str | Path]) -> None:
    """Check that the file to write, or the one beside it, is not one to read.

    Raises:
        DataError: If it is.
    """
    written = [path.resolve() for path in (output, beside(output, "failures.csv"))]
    for name in inputs:
        if Path(name).resolve() in written:
            raise DataError(
                f"{name}: is an input and would be overwritten; choose another output "
                "(--output)"
            )


def check_table(path: Path, is_own: Callable[[Sequence[str]], bool], what: str) -> None:
    """Check that a CSV file to write over is one of ours, or empty.

    Args:
        path: The file, which need not be there.
        is_own: Tells it by the headings.
        what: What it holds then.

    Raises:
        DataError: If it holds something else.
    """
    if not path.is_file():
        return
    with reporting_os_error(path, ELSEWHERE), path.open("rb") as file:
        line = file.readline(_LONGEST_HEADING).decode("utf-8", "replace")
    headings = possible_headings(line.replace("\0", "?"))
    if any(headings) and not any(map(is_own, headings)):
        raise _other(path, what)


def possible_headings(line: str) -> list[list[str]]:
    """Return the cells of a first line, separated by commas and by tabs.

    Commas stood in a ``.tsv`` once, so that its name does not tell which it has.
    """
    return [next(csv.reader([line], delimiter=mark), []) for mark in ",\t"]


def check_archive(path: Path, arrays: Collection[str], what: str) -> None:
    """Check that a NumPy archive to write over is one of ours, or empty.

    Args:
        path: The file, which need not be there.
        arrays: Names of arrays that ours have.
        what: What it holds then.

    Raises:
        DataError: If it holds something else.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    names: set[str] = set()
    if zipfile.is_zipfile(path):
        with reporting_os_error(path, ELSEWHERE), zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    if not {f"{name}.npy" for name in arrays} <= names:
        raise _other(path, what)


def _other(path: Path, what: str) -> DataError:
    return DataError(
        f"{path}: holds something other than {what} and would be overwritten; choose"
        " another output (--output), or remove it"
    )


def check_output_folder(
    folder: Path,
    names: Collection[str] = (),
    own: Collection[str] = (),
    source: str | Path = "",
) -> None:
    """Check that nothing is written over but what the same command has written.

    Args:
        folder: To write to.
        names: Files that are to be written there.
        own: Any of these says that an earlier run of the command wrote them.
        source: Where the data are, of which the folder must not be.

    Raises:
        SiteNetError: If it is the folder of the data, or holds such a file.
    """
    remedy = "choose another output folder (--output)"
    is_data = os.path.isdir(source) and os.path.isdir(folder)
    if is_data and os.path.samefile(source, folder):
        raise SiteNetError(f"{folder}: is the folder of the data; {remedy}")
    if any((folder / name).exists() for name in own):
        return
    for name in names:
        if (folder / name).exists():
            raise SiteNetError(
                f"{folder / name}: was written by something else and would be"
                f" overwritten; {remedy}"
            )


def own_folder(folder: Path) -> Path:
    """Make a folder that no other process has: of this name, or with a number after it.

    Raises:
        SiteNetError: If none can be made.
    """
    number = 1
    with reporting_os_error(
        folder, "choose another (--output)", SiteNetError, UNWRITABLE
    ):
        folder.parent.mkdir(parents=True, exist_ok=True)
        while True:
            name = f"{folder.name}_{number}" if number > 1 else folder.name
            with suppress(FileExistsError):
                folder.with_name(name).mkdir()
                return folder.with_name(name)
            number += 1


def _acquire(path: Path, refusal: SiteNetError) -> FileLock:
    # Not by thread: a writer may be closed by another thread than began it.
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        # filelock also waits for a file that the system does not let it make, and this
        # raises the system's reason.
        if not path.exists():
            path.touch()
        raise refusal from error
    return lock


def _release(lock: FileLock, path: Path) -> None:
    # Before the release: a process that locks a removed file tries again.
    with suppress(OSError):  # Windows removes no open file
        path.unlink()
    lock.release()
