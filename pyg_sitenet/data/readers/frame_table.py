"""The values that the frames of a file carry, as a table with a row for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
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
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.structure.text import hash_readable
from pyg_sitenet.errors import DataError, StructureError

# Frames looked at to learn which values they carry, where none is asked for.
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

    def units_of(values: Mapping[str, Any]) -> Mapping[str, str]:
        return columns.units_of(Row(0, values), stated)

    return Source(
        name=str(path),
        make_entries=lambda: frame_entries(path, wanted, units_of=units_of),
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


def _read_table(
    name: str, start: Callable[[], Iterator[Row]], needed: Collection[str]
) -> Table:
    """Look through frames once and return what they carry.

    Args:
        name: Of the file.
        start: Starts a pass over the frames; the values that they carry are a row.
        needed: Names that are asked for; without any the first frames tell.

    Raises:
        DataError: If some are asked for, and no frame can be read that has a value.
    """
    problem = ""
    is_number: dict[str, bool] = {}  # by name, whether a frame has a number there
    stated: dict[str, str] = {}
    times: Counter[str] = Counter()
    count = 0
    try:
        for count, row in enumerate(start(), 1):
            problem = problem or row.problem
            for column, value in row.values.items():
                if is_gap(value):
                    continue
                is_number[column] = is_number.get(column, False) or not is_label(value)
                if "unit" in column.lower():
                    stated.setdefault(column, str(value).strip())
                    times[column] += 1
            if count >= _PEEK and not needed:
                break
    except StructureError as error:
        problem = problem or str(error)
    if problem and needed and not is_number:
        raise DataError(problem)
    numbers = frozenset(column for column, has_one in is_number.items() if has_one)
    return Table(
        name,
        start,
        list(is_number),
        {},
        numbers,
        count,
        frozenset(is_number.keys() - numbers),
        stated,
        unstated={column: count - number for column, number in times.items()},
    )


def _columns(table: Table) -> Columns:
    """Return what the values of frames are, but for those that name them."""
    names = [name for name in table.columns if name not in ID_KEYS]
    numbers = [name for name in names if name in table.numbers]
    units = unit_columns(table, numbers)
    used = set(units.values())
    return Columns(
        None,
        None,
        units,
        tuple(name for name in numbers if name not in used),
        tuple(name for name in names if name in table.labels - used),
    )
