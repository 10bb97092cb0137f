"""Importing and loading, without the garbage collector in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def loading() -> Iterator[None]:
    """Import and load without collecting garbage, and leave what is there alone later.

    The libraries are a million objects that stay. The collector would look through
    them again and again while they are imported, and later as well.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        _keep_objects()


@cache  # once: what a later command of the same process leaves may be garbage
def _keep_objects() -> None:
    gc.freeze()
