"""What a process of a pool does: answer items, and watch its own time."""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, NoReturn

import torch

TIME_OVER = 1  # the exit code of faulthandler's watchdog
NO_MEMORY = 70  # ours
READY = b"ready"  # what a process says first


class Raised(NamedTuple):
    """What the function raised for an item.

    Args:
        error: The exception.
        trace: Where it was raised, as text.
    """

    error: Exception
    trace: str

    def again(self) -> NoReturn:
        """Raise it in this process."""
        raise self.error from RuntimeError(f"in another process:\n{self.trace}")


def serve(
    connection: Connection,
    function: Callable[[Any], Any],
    time_limit: float | None,
    parent: int,
) -> None:
    """Answer items until there are no more, or the parent is gone."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    try:
        with (
            open(os.devnull, "w", encoding="ascii") as nowhere,
            suppress(OSError, EOFError),  # the parent is gone
        ):
            connection.send_bytes(READY)
            while _is_asked(connection, parent):
                for item in connection.recv():
                    if time_limit is not None:
                        faulthandler.dump_traceback_later(
                            time_limit, file=nowhere, exit=True
                        )
                    content = answer(function, item)
                    faulthandler.cancel_dump_traceback_later()
                    connection.send_bytes(content)
    except MemoryError:
        os._exit(NO_MEMORY)


def _is_asked(connection: Connection, parent: int) -> bool:
    while not connection.poll(1.0):
        # Other processes may hold copies of the parent's end: it would never close.
        if os.getppid() != parent:
            return False
    return True


def answer(function: Callable[[Any], Any], item: Any) -> bytes:  # noqa: ANN401
    """Compute a function; see :func:`read_answer`."""
    try:
        return pickle.dumps(function(item), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        return pickle.dumps(Raised(_portable(error), traceback.format_exc()))


def read_answer(content: bytes) -> Any:  # noqa: ANN401
    """Return what :func:`answer` computed in a process of ours, or what it raised."""
    return pickle.loads(content)  # nosec B301


def open_answer(content: bytes) -> Any:  # noqa: ANN401
    """Return what :func:`answer` computed in a process of ours, or raise its error."""
    value = read_answer(content)
    if isinstance(value, Raised):
        value.again()
    return value


def explain(code: int | None) -> str:
    """Say how a process ended, in words that go after "the process"."""
    if code == NO_MEMORY:
        return "ran out of memory"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        why = ", perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"was ended by {name}{why}"
    return f"ended with code {code}"


def _portable(error: Exception) -> Exception:
    """Return the error, or one with its text if it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # nosec B301  # our own bytes
    except Exception:  # noqa: BLE001 - anything can happen in a foreign class
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
