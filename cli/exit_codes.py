"""The one place that turns a known error into one line and exit code 1 or 2."""

from __future__ import annotations

import functools
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, cast

import typer
from typer.core import TyperGroup

from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.safe_text import terminal_text

from .terminal import say, showing_log

P = ParamSpec("P")

_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""What every error of usage is; typer does not name it."""


def reporting_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Run a command so that errors and warnings are lines on stderr for people."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        _write_any_letter()
        with warnings.catch_warnings(), showing_log():
            warnings.showwarning = _show_warning
            try:
                command(*args, **kwargs)
            except SiteNetError as error:
                _say("Error", error)
                raise typer.Exit(1) from error
            except BrokenPipeError:
                raise  # whoever read the output has enough: typer ends in silence
            except OSError as error:  # such as a full disk
                place = f"{error.filename}: " if error.filename else ""
                _say("Error", SiteNetError(f"{place}{error.strerror or error}"))
                raise typer.Exit(1) from error

    return run


class Commands(TyperGroup):
    """Shows wrong arguments without what they would make the terminal do."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Read the options that stand before the command."""
        words = list(args[1] if len(args) > 1 else kwargs["args"])
        with _safe_usage():
            context = super().make_context(*args, **kwargs)
        context.obj = words  # --list is read before --json, which it obeys
        return context

    def invoke(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Read the arguments of the command and run it."""
        with _safe_usage():
            return super().invoke(*args, **kwargs)


@contextmanager
def _safe_usage() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = terminal_text(error.message)
        raise


def _write_any_letter() -> None:
    """Write what an encoding of the terminal has no sign for as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:  # noqa: ANN401
    _say("Warning", message)


def _say(kind: str, message: object) -> None:
    say(f"{kind}: {' '.join(str(message).split())}", err=True)
