"""What people see: tables on stdout, progress on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

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
from rich.text import Text

from pyg_sitenet.safe_text import terminal_text

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

# Scores of classes, and what people call them.
CLASS_SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
}


def say(line: str, *, err: bool = False) -> None:
    """Print a line, whatever names from files stand in it."""
    typer.echo(terminal_text(line), err=err)


def chosen_device(name: str) -> torch.device:
    """Return the device of a name, and say which it is unless it is the CPU."""
    from pyg_sitenet.devices import choose_device, device_line

    device = choose_device(name)
    if device.type != "cpu":
        say(device_line(device), err=True)
    return device


def chosen_accelerator(name: str) -> str:
    """Return what to train on, and say it as :func:`chosen_device` does."""
    from pyg_sitenet.devices import DEVICES

    return chosen_device(name).type if name in DEVICES else name


def say_json(document: object) -> None:
    """Print JSON in which no character is one that a terminal obeys."""
    typer.echo(json.dumps(document).replace("\x7f", "\\u007f"))


@contextmanager
def showing_log() -> Iterator[None]:
    """Show what the library and others log, from warnings on, on stderr."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_SafeLines())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _SafeLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(terminal_text, super().format(record).splitlines()))


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings, numbers with four digits."""
    table = Table()
    for heading in headings:
        table.add_column(_cell(heading), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(as_text(value)) for value in row))
    Console().print(table)


def _cell(text: str) -> Text:
    return Text(terminal_text(text))  # a unit in brackets is no markup


def counted(
    items: Iterable[T], what: str, total: int | None = None, done: int = 0
) -> Iterator[T]:
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
        task = shown.add_task(what, total=total, completed=done)
        for item in items:
            yield item
            shown.advance(task)


def as_text(value: object) -> str:
    """Write a number with four digits, or two decimals; a missing one as a dash."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    # Of total energies what they differ by.
    return f"{value:.4g}" if not 1e4 <= abs(value) < 1e12 else f"{value:.2f}"
