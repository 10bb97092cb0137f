"""The one place that turns a known error into one line and exit code 1."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec

import typer

from pyg_sitenet.errors import SiteNetError

from .terminal import say

P = ParamSpec("P")


def reporting_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Run a command so that errors and warnings are lines on stderr for people."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                command(*args, **kwargs)
            except SiteNetError as error:
                _say("Error", error)
                raise typer.Exit(1) from error
            except OSError as error:  # such as a full disk
                place = f"{error.filename}: " if error.filename else ""
                _say("Error", f"{place}{error.strerror or error}")
                raise typer.Exit(1) from error

    return run


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:  # noqa: ANN401
    _say("Warning", message)


def _say(kind: str, message: object) -> None:
    say(f"{kind}: {' '.join(str(message).split())}", err=True)
