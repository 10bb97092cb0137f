"""Tables of the analysis as files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from pyg_sitenet.data.records import Failure
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


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, numbers with seven digits."""
    table.to_csv(path, index=False, float_format="%.7g")


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write a list of failures; without any it has its header alone."""
    names = [column.name for column in fields(Failure)]
    write_table(path, pd.DataFrame(map(asdict, failures), columns=names))
