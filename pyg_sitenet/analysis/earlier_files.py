"""What an earlier analysis left and a new one does not write again."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from pyg_sitenet.analysis.crystal.crystal_tables import CRYSTAL_FILES

_OPTIONAL = re.compile(
    r"(?:learning_curve|parity|errors(?:_\d+)?(?:_by_element)?)\.(?:csv|png)"
)


def remove_earlier(folder: Path, written: Collection[str]) -> None:
    """Remove files of an earlier analysis, which may be one of another model.

    Args:
        folder: Of both analyses.
        written: Names of the files of the new one, which stay.
    """
    for path in folder.iterdir():
        if _OPTIONAL.fullmatch(path.name) and path.name not in written:
            path.unlink()
    for crystal in (folder / "crystals").glob("*"):
        for name in CRYSTAL_FILES:
            (crystal / name).unlink(missing_ok=True)
        with suppress(OSError):  # unless there is something else in it
            crystal.rmdir()
