"""What people see: tables on stdout, progress on stderr, rows in files."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from pyg_sitenet.errors import DataError

T = TypeVar("T")
FAILURE_HEADINGS = ("origin", "id", "stage", "reason", "remedy")
AddRow = Callable[[Sequence[object]], None]

# Reasons on the terminal at most; more would push the result out of sight.
_SHOWN = 20


class Reasons:
    """Counts why inputs failed.

    Args:
        failures: Origin and reason of each.
    """

    def __init__(self, failures: Iterable[tuple[str, str]] = ()) -> None:
        self._origins: dict[str, list[str]] = defaultdict(list)
        for origin, reason in failures:
            self.add(origin, reason)

    def add(self, origin: str, reason: str) -> None:
        """Count one more."""
        self._origins[reason].append(origin)

    def total(self) -> int:
        """Return how many inputs failed."""
        return sum(map(len, self._origins.values()))

    def report(self, file: Path | None) -> None:
        """Say on stderr what failed and why, the most frequent reasons first."""
        frequent = sorted(self._origins.items(), key=lambda one: -len(one[1]))
        for reason, (origin, *others) in frequent[:_SHOWN]:
            where = "" if reason.startswith(origin) else f"{origin}: "
            more = f" ({len(others)} more like this)" if others else ""
            typer.echo(f"  {where}{reason}{more}", err=True)
        if len(frequent) > _SHOWN:
            place = f"see {file}" if file else "--output FILE.csv keeps them"
            typer.echo(f"  and {len(frequent) - _SHOWN} more: {place}", err=True)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings, numbers with four digits."""
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(as_text(value) for value in row))
    Console(markup=False).print(table)  # a unit in brackets is no markup


def counted(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass items on and count them on stderr, while a person is watching."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    shown = Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty()
    )
    with shown:
        yield from shown.track(items, total=total, description=what)


def failures_file(output: Path) -> Path:
    """Return where the failures go that belong to a file of rows."""
    return output.with_name(f"{output.stem}_failures.csv")


def finished_rows(path: Path, headings: Sequence[str]) -> list[list[str]]:
    """Return the rows that a file holds; one torn off in the middle is dropped.

    Raises:
        DataError: If the file has other columns.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        path.write_text("".join(lines[:-1]), encoding="utf-8")
        lines.pop()
    rows = list(csv.reader(lines))
    if rows and rows[0] != list(headings):
        raise DataError(
            f"{path}: cannot be continued: its columns are {', '.join(rows[0])}, "
            f"expected {', '.join(headings)}; choose another --output"
        )
    return rows[1:]


@contextmanager
def rows_file(
    path: Path, headings: Sequence[str], *, resume: bool = False
) -> Iterator[AddRow]:
    """Open a CSV file and give what adds a row to it, on the disk at once.

    Raises:
        DataError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a" if resume else "w", newline="", encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror}; choose another --output"
        ) from error
    with file:
        writer = csv.writer(file, lineterminator="\n")

        def add(row: Sequence[object]) -> None:
            writer.writerow([as_text(value, 7) for value in row])
            file.flush()

        if not file.tell():
            add(headings)
        yield add


def as_text(value: object, digits: int = 4) -> str:
    """Write a number with so many digits, a missing one as a dash."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
