"""Tables that commands have written, told by their headings."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from pyg_sitenet.data.failures_file import HEADINGS
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError
from pyg_sitenet.file_locks import possible_headings

_STATISTICS = ["trajectory", "formula", "target"]


def are_predictions(heads: Sequence[str]) -> bool:
    """Tell by the headings whether a table holds predictions, maybe with known values.

    Example:
        >>> are_predictions(["id", "formula", "gap [eV]", "warnings"])
        True
    """
    if list(heads[:2]) != ["id", "formula"]:
        return False
    return heads[-1] == "warnings" or heads[-1].startswith("known ")


def is_result(file: TextFile) -> bool:
    """Tell whether a table is what a command wrote, and so no data of its user."""
    try:
        headings = possible_headings(next(file.lines(), ""))
    except (DataError, csv.Error):  # which reading it as a table says
        return False
    return any(map(_is_ours, headings))


def _is_ours(heads: Sequence[str]) -> bool:
    return (
        are_predictions(heads)
        or heads == HEADINGS
        or heads[: len(_STATISTICS)] == _STATISTICS
    )
