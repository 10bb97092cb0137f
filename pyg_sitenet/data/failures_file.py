"""The file of the inputs that could not be used, and why: every command writes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from pyg_sitenet.csv_file import CsvFile, FileState, beside, write_rows
from pyg_sitenet.data.records import Failure
from pyg_sitenet.file_locks import check_table

HEADINGS = [field.name for field in fields(Failure)]


def failures_file(output: Path) -> Path:
    """Return where the failures go that belong to another file of results."""
    return beside(output, "failures.csv")


def check_failures_file(output: Path) -> None:
    """Check that the file of failures beside a file of results is one, or not there.

    Raises:
        DataError: If it holds something else.
    """
    check_table(failures_file(output), lambda heads: heads == HEADINGS, "failures")


class FailuresFile(CsvFile):
    """Failures, written as they come; without any the file has its header alone.

    Args:
        path: The file.
        state: Go on from here.

    Raises:
        DataError: As :class:`~pyg_sitenet.csv_file.CsvFile` says.
    """

    def __init__(self, path: Path, state: FileState | None = None) -> None:
        super().__init__(path, HEADINGS, state)

    def add_failure(self, failure: Failure) -> None:
        """Append a failure and hand it to the system."""
        self.add(astuple(failure))


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write failures that are all there already.

    Raises:
        DataError: If the file cannot be written.
    """
    write_rows(path, [HEADINGS, *map(astuple, failures)])
