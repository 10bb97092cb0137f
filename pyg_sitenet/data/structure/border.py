"""The border between what reading raises and an error that names the input."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pyg_sitenet.errors import SiteNetError, SiteNetWarning, StructureError

_log = logging.getLogger(__name__)


@contextmanager
def enough_memory(origin: str, error: type[SiteNetError]) -> Iterator[None]:
    """Turn a lack of memory into an error that names the input which needs it."""
    try:
        yield
    except MemoryError as problem:
        raise error(
            f"{origin}: takes more memory than there is (MemoryError); give a"
            " smaller file"
        ) from problem


@contextmanager
def reading(origin: str) -> Iterator[list[str]]:
    """Turn whatever reading one crystal raises into an error that names it.

    Yields:
        A list that fills with the warnings of libraries, which are logged and not
        shown.
    """
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with enough_memory(origin, StructureError):
                yield texts
        except SiteNetError:
            raise
        except Exception as error:
            # Readers of damaged files raise anything: UnboundLocalError,
            # StopIteration, IndexError. None of it may cost the other crystals.
            raise StructureError(
                f"{origin}: cannot be read, it is damaged, truncated or of another"
                f" format ({_named(error)}); export it again"
            ) from error
        finally:
            ours = [w for w in caught if issubclass(w.category, SiteNetWarning)]
            theirs = [w for w in caught if w not in ours]
            texts.extend(" ".join(str(w.message).split()) for w in theirs)
    for text in texts:
        _log.info("%s: %s", origin, text)
    for warning in ours:
        warnings.warn(warning.message, stacklevel=3)


def _named(error: Exception) -> str:
    """Return the class of an error and what it says, in one short line."""
    text = " ".join(str(error)[:1000].split())[:200]
    if isinstance(error, KeyError):
        text = f"unknown name {text}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
