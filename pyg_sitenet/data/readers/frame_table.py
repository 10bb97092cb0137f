"""The values that the frames of a file carry, as a table with a row for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pyg_sitenet.data.readers.cells import is_gap, is_label
from pyg_sitenet.data.readers.files.file_names import is_structure_file
from pyg_sitenet.data.readers.files.multi_frame import (
    ID_KEYS,
    frame_entries,
    read_frames,
)
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.tables.columns import Columns, unit_columns
from pyg_sitenet.data.readers.tables.row import Row
from pyg_sitenet.data.readers.tables.table import Table
from pyg_sitenet.data.readers.tables.target_checks import target_notes
from pyg_sitenet.data.readers.units import is_unit
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.structure.text import hash_readable
from pyg_sitenet.errors import DataError, StructureError

# Frames looked at to learn which values they carry.
_PEEK = 100


def open_frames(path: Path, wanted: Wanted) -> Source:
    """Open a file of structures; targets are values that the frames carry.

    Raises:
        DataError: If no frame carries a target, or in a unit that cannot be converted
            to the one asked for, or if a file that is asked for targets cannot be read.
    """
    names = {*wanted.targets, wanted.group} - {""}
    is_looked_at = bool(names) or not is_structure_file(path.name)
    frames = partial(_rows, path) if is_looked_at else lambda: iter(())
    table = _read_table(str(path), frames, names)
    columns = _columns(table)
    wanted.check(str(path), columns.targets, columns.labels)
    stated = columns.units(table)
    wanted = wanted.in_units(str(path), stated)
    units = {name: wanted.units.get(name, unit) for name, unit in stated.items()}
    # A frame that states a unit where the others have none must say so.
    entries = replace(
        wanted, units={**dict.fromkeys(wanted.targets, ""), **wanted.units}
    )
    return Source(
        name=str(path),
        make_entries=lambda: frame_entries(
            path, entries, units_of=partial(_units_of, table, wanted.targets, stated)
        ),
        make_digest=lambda: hash_readable(path),
        units=units,
        available=columns.targets,
        labels=columns.labels,
        make_column=lambda name: (
            frame.values.get(name) for frame in read_frames(path)
        ),
        notes=[*target_notes(table, columns, wanted, stated, units)],
    )


def _rows(path: Path) -> Iterator[Row]:
    for number, frame in enumerate(read_frames(path), 1):
        yield Row(number, frame.values, frame.problem)


def _units_of(
    table: Table,
    targets: Sequence[str],
    stated: Mapping[str, str],
    values: Mapping[str, Any],
) -> dict[str, str]:
    """Return the units of a frame, also of one behind those that were looked at."""
    own = {
        name: str(values[key]).strip()
        for name, key in unit_columns(values, targets).items()
        if not is_gap(values[key]) and name not in table.notes
    }
    return {**stated, **own}


def _read_table(
    name: str, start: Callable[[], Iterator[Row]], needed: Set[str]
) -> Table:
    """Look through the first frames and return what they carry.

    Args:
        name: Of the file.
        start: Starts a pass over the frames; the values that they carry are a row.
        needed: Names that are asked for, which are looked for in all frames; so are
            units of those that state one.

    Raises:
        DataError: If some are asked for, and no frame can be read that has a value.
    """
    look, problem, count = _Look(), "", 0
    try:
        for count, row in enumerate(start(), 1):
            problem = problem or row.problem
            look.see(row.values)
            if count >= _PEEK and look.is_enough(needed):
                break
    except StructureError as error:
        problem = problem or str(error)
    if problem and needed and not look.is_number:
        raise DataError(problem)
    numbers = frozenset(key for key, has_one in look.is_number.items() if has_one)
    return Table(
        name=name,
        start=start,
        columns=list(look.is_number),
        units={},
        numbers=numbers,
        count=count,
        labels=frozenset(look.is_number.keys() - numbers),
        stated=look.stated,
        notes=look.notes(),
        unstated={key: count - number for key, number in look.times.items()},
    )


@dataclass
class _Look:
    """What one pass over the values of frames tells.

    Args:
        is_number: Of each value by its name, whether a frame has a number there.
        stated: The first unit of each value whose name speaks of units.
        unknown: Of each of these the first text that is no unit.
        times: How often each of these is there.
    """

    is_number: dict[str, bool] = field(default_factory=dict)
    stated: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

    def see(self, values: Mapping[str, Any]) -> None:
        """Look at what a frame carries."""
        for key, value in values.items():
            if is_gap(value):
                continue
            self.is_number[key] = self.is_number.get(key, False) or not is_label(value)
            if "unit" in key.lower():
                text = str(value).strip()
                texts = self.stated if is_unit(text) else self.unknown
                texts.setdefault(key, text)
                self.times[key] += 1

    def is_enough(self, needed: Set[str]) -> bool:
        """Tell whether more frames would say nothing of what is asked for."""
        found = self.is_number.keys()
        return not needed or (needed <= found and not unit_columns(found, needed))

    def notes(self) -> dict[str, list[str]]:
        """Say of each value whose unit nobody knows that it has none."""
        return {
            name: [
                f"{name}: {self.unknown[key]!r:.40} in {key!r} is no unit that is known"
                " and is ignored; if one is meant, correct it or set data.units"
            ]
            for name, key in unit_columns(self.is_number, self.is_number).items()
            if key not in self.stated
        }


def _columns(table: Table) -> Columns:
    """Return what the values of frames are, but for those that name them.

    A bare ``unit`` is that of none: comments of LAMMPS tell units of lengths so.
    """
    names = [name for name in table.columns if name not in ID_KEYS]
    numbers = [name for name in names if name in table.numbers]
    units = unit_columns(table.stated, numbers)
    used = set(units.values())
    return Columns(
        id=None,
        structure=None,
        unit_columns=units,
        targets=tuple(name for name in numbers if name not in used),
        labels=tuple(name for name in names if name in table.labels - used),
    )
