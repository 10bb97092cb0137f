"""The folder that an analysis writes to."""

from __future__ import annotations

from pathlib import Path

from pyg_sitenet.errors import DataError


def make_folder(path: str | Path) -> Path:
    """Make a folder for figures and tables, unless there is one.

    Raises:
        DataError: If it cannot be written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written: {error.strerror}; choose another --output"
        ) from error
    return folder
