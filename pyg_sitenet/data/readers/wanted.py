"""What is asked of a source beside the structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pyg_sitenet.config.labels import as_label
from pyg_sitenet.data.readers.cells import is_gap
from pyg_sitenet.data.readers.targets import TargetError, parse_targets
from pyg_sitenet.data.readers.units import WHOLE, conversion
from pyg_sitenet.errors import DataError


class MissingTargetError(DataError):
    """Targets of which a source holds no values.

    Args:
        message: What to say.
        targets: Their names.
    """

    def __init__(self, message: str, targets: Sequence[str]) -> None:
        super().__init__(message)
        self.targets = tuple(targets)


def check_targets(targets: Sequence[str], available: Sequence[str], name: str) -> None:
    """Check that a source has the targets asked for.

    Raises:
        MissingTargetError: If it has not; names those it has.
    """
    missing = [target for target in targets if target not in available]
    if missing:
        names = ", ".join(available) or "none"
        raise MissingTargetError(
            f"{name}: no target {missing[0]!r}{_nearest(missing[0], available)}"
            f" (available: {names})",
            missing,
        )


def _nearest(name: str, available: Sequence[str]) -> str:
    """Ask for the name that may be meant: ``gap`` by ``Gap``, ``gap [eV]``, ``gpa``."""
    names = {other.lower(): other for other in reversed(available)}
    close = get_close_matches(name.strip().lower()[:100], names, n=1, cutoff=0.5)
    return f", did you mean {names[close[0]]!r}?" if close else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values to take of each crystal.

    Args:
        targets: Names of the targets.
        classes: Labels of the targets that are classes, whose value is the index of
            the label; the others are numbers.
        group: Column whose label tells which crystals belong together; empty for none.
        units: Unit of each target; values that state another are converted.
    """

    targets: tuple[str, ...] = ()
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    def values(
        self, row: Mapping[str, Any], stated: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, float]:
        """Return the targets of a crystal, NaN for one that is not known.

        Args:
            row: What it holds.
            stated: The unit of each of its numbers that states one.

        Raises:
            TargetError: If one cannot be used, or if none is known.
        """
        values = parse_targets(row, self.targets, self.classes)
        for name, unit in stated.items():
            wanted = self.units.get(name)
            if name not in values or name in self.classes or wanted in (None, unit):
                continue
            change = conversion(unit, wanted)
            if change is None and unit == WHOLE:
                raise TargetError(
                    f"the target {name!r} has cells shown in percent, but the unit is"
                    f" {wanted!r}"
                )
            if change is None:
                elsewhere = f"in {wanted!r}" if wanted else "without a unit"
                raise TargetError(
                    f"the target {name!r} is in {unit!r}, elsewhere {elsewhere}, and no"
                    " conversion between them is known"
                )
            values[name] = change(values[name])
        return values

    def in_units(self, name: str, stated: Mapping[str, str]) -> Wanted:
        """Return the same with a unit for each target that states or is asked for one.

        Args:
            name: Of the source.
            stated: The unit that it states of each of its columns.

        Raises:
            DataError: If one cannot be converted to the unit that is asked for.
        """
        units = dict(self.units)
        for target in self.targets:
            unit = stated.get(target)
            if unit is None or target in self.classes:
                continue
            wanted = units.setdefault(target, unit)
            if conversion(unit, wanted) is None:
                raise DataError(
                    f"{name}: {target!r} is in {unit!r}, asked for in {wanted!r}, and"
                    " no conversion between them is known; convert the values, or"
                    f" correct the unit (data.units={{{target}: {unit}}})"
                )
        return replace(self, units=units)

    def group_of(self, row: Mapping[str, Any]) -> str:
        """Return the label of a crystal's group; empty if none is asked for.

        Small and capital letters are alike.

        Raises:
            TargetError: If the crystal has none: it could be in the wrong part.
        """
        if not self.group:
            return ""
        value = row.get(self.group)
        if is_gap(value):
            raise TargetError(f"the column {self.group!r} to group by is empty")
        return as_label(value).lower()  # no two parts for one group

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
            if target in labels and target not in (*self.classes, *numbers):
                raise DataError(
                    f"{name}: the target {target!r} holds text, no numbers; they are"
                    " written like 1.5, and classes are learnt with"
                    f" data.classes={{{target}: []}}"
                )
        columns = (*numbers, *labels)
        labelled = [target for target in self.targets if target in self.classes]
        values = [target for target in self.targets if target not in labelled]
        check_targets(values, numbers, name)
        check_targets(labelled, columns, name)
        if self.group and self.group not in columns:
            shown = ", ".join(columns) or "none"
            raise DataError(
                f"{name}: no column {self.group!r} to group by (available: {shown}); "
                "name one of them in data.split=group:COLUMN"
            )
