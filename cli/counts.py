"""How a command ends: what was read, used and failed, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .terminal import say

if TYPE_CHECKING:
    from pyg_sitenet.data.ledger import Ledger
    from pyg_sitenet.data.readers.source import Source

# Reasons on the terminal at most; more would push the result out of sight.
_SHOWN = 20
_STARTS = {"failed": "  ", "warned": "  Warning: "}


def report(ledger: Ledger, used: str, file: Path | None) -> None:
    """Say on stderr what became of the inputs, the most frequent reasons first.

    Args:
        ledger: The counts.
        used: What happened to the inputs that could be used, such as "predicted".
        file: Where all failures are listed, if they are.
    """
    warned = f", {ledger.warned} with a warning" if ledger.warned else ""
    counts = f"{ledger.used} {used}, {ledger.failed} failed{warned}"
    say(f"{ledger.read} read: {counts}", err=True)
    for kind, start in _STARTS.items():
        rows = [row for row in ledger.rows() if row[0] == kind]
        for _, number, reason, origin in rows[:_SHOWN]:
            where = "" if reason.startswith(origin) else f"{origin}: "
            more = f" ({number - 1} more like this)" if number > 1 else ""
            say(f"{start}{where}{reason}{more}", err=True)
        if len(rows) > _SHOWN:
            place = f"see {file}" if file else "--output FILE.csv keeps them"
            say(f"{start}and {len(rows) - _SHOWN} more: {place}", err=True)


def tell_notes(source: Source) -> None:
    """Say on stderr how known values were understood, and what is not read."""
    for note in source.notes:
        say(f"Note: {note}", err=True)


def end(ledger: Ledger, *, strict: bool) -> None:
    """End the command with exit code 1 if any input failed and none may."""
    if strict and ledger.failed:
        inputs = "1 input" if ledger.failed == 1 else f"{ledger.failed} inputs"
        say(f"Error: {inputs} failed, and none may (--strict)", err=True)
        raise typer.Exit(1)
