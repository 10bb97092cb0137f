"""The errors this package raises on purpose; commands print them in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONG_WORD = re.compile(r"(\S{200})\S{800,}(\S{200})")


class SiteNetError(Exception):
    """Base of every error that a user can cause and mend.

    A path or text of more than a thousand letters is shown with its middle left out.
    """

    def __str__(self) -> str:
        """Return the message."""
        return _LONG_WORD.sub(r"\1...\2", super().__str__())


class StructureError(SiteNetError, ValueError):
    """A crystal that cannot be used: names the file or formula and the cause."""


class DataError(SiteNetError, ValueError):
    """A table, folder or data set that cannot be used as asked."""


class ConfigError(SiteNetError, ValueError):
    """A setting that does not exist or has an impossible value."""


class ModelFileError(SiteNetError, ValueError):
    """A model file that is damaged, foreign or from a newer version."""


class ClusterError(SiteNetError, RuntimeError):
    """A cluster that cannot be reached, or cannot do the work."""


class SiteNetWarning(UserWarning):
    """Something was done that the user may want to know, and the result stands."""


@contextmanager
def reporting_os_error(
    path: str | Path,
    remedy: str,
    kind: type[SiteNetError] = DataError,
    what: str = "cannot be written",
) -> Iterator[None]:
    """Say of what the system does not write why, and what to do.

    Args:
        path: What is written.
        remedy: What to do.
        kind: Of the error.
        what: Words between the path and the system's reason.

    Raises:
        SiteNetError: Of this kind, in place of the system's error.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise kind(f"{path}: {what}: {reason}; {remedy}") from error
