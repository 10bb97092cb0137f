"""The one way to open a source, whatever its kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyg_sitenet.data.bundled import BUNDLED, BundledData
from pyg_sitenet.data.sources.source import Source
from pyg_sitenet.errors import DataError


def open_source(source: str | Path, targets: Sequence[str] = ()) -> Source:
    """Open anything that holds crystals."""
    if str(source) in BUNDLED:
        return _open_bundled(BUNDLED[str(source)], tuple(targets))
    raise DataError(f"{source}: no such data")


def check_targets(targets: Sequence[str], available: Sequence[str], name: str) -> None:
    """Check that a source has the targets asked for.

    Raises:
        DataError: If it has not; names those it has.
    """
    for target in targets:
        if target not in available:
            known = ", ".join(available) or "none"
            raise DataError(f"{name}: no target {target!r} (available: {known})")


def _open_bundled(data: BundledData, targets: tuple[str, ...]) -> Source:
    check_targets(targets, tuple(data.units), data.name)
    return Source(
        name=data.name,
        make_entries=lambda: data.entries(targets),
        make_digest=data.digest,
        units={target: data.units[target] for target in targets or data.units},
        available=tuple(data.units),
        count=data.num_crystals,
    )
