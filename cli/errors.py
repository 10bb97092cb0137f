"""The one place that turns a known error into one line and exit code 1."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import typer

from pyg_sitenet.errors import SiteNetError

P = ParamSpec("P")


def reporting_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Run a command so that a user's error is a line on stderr, not a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except SiteNetError as error:
            typer.echo(f"Error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from error

    return run
