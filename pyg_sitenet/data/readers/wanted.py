"""What is asked of a source beside the structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyg_sitenet.config.labels import as_label
from pyg_sitenet.data.readers.targets import TargetError, is_gap, parse_targets
from pyg_sitenet.errors import DataError


def check_targets(targets: Sequence[str], available: Sequence[str], name: str) -> None:
    """Check that a source has the targets asked for.

    Raises:
        DataError: If it has not; names those it has.
    """
    for target in targets:
        if target not in available:
            names = ", ".join(available) or "none"
            raise DataError(f"{name}: no target {target!r} (available: {names})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values to take of each crystal.

    Args:
        targets: Names of the targets.
        classes: Labels of the targets that are classes, whose value is the place of
            the label; the others are numbers.
        group: Column whose label tells which crystals belong together; empty for none.
    """

    targets: tuple[str, ...] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group: str = ""

    def values(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return the targets of a crystal, NaN for one that is not known.

        Raises:
            TargetError: If one cannot be used, or if none is known.
        """
        return parse_targets(row, self.targets, self.classes)

    def group_of(self, row: Mapping[str, Any]) -> str:
        """Return the label of a crystal's group; empty if none is asked for.

        Raises:
            TargetError: If the crystal has none: it could be in the wrong part.
        """
        if not self.group:
            return ""
        value = row.get(self.group)
        if is_gap(value):
            raise TargetError(f"the column {self.group!r} to group by is empty")
        return as_label(value)

    def check(self, name: str, numbers: Sequence[str], labels: Sequence[str]) -> None:
        """Check that a source has what is asked for.

        Args:
            name: Of the source.
            numbers: The columns that hold numbers, any of which may name classes too.
            labels: Those that hold text or booleans.

        Raises:
            DataError: If it has not; names what it has.
        """
        for target in self.targets:
            choices = (*numbers, *labels) if target in self.classes else numbers
            check_targets([target], choices, name)
        columns = (*numbers, *labels)
        if self.group and self.group not in columns:
            shown = ", ".join(columns) or "none"
            raise DataError(
                f"{name}: no column {self.group!r} to group by (available: {shown}); "
                "name one of them in data.split=group:COLUMN"
            )
