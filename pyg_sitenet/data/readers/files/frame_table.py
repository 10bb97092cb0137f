"""The values that the frames of a file carry, as a table with a row for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from pyg_sitenet.data.readers.cells import is_gap, is_label
from pyg_sitenet.data.readers.tables.columns import Columns, unit_columns
from pyg_sitenet.data.readers.tables.row import Row
from pyg_sitenet.data.readers.tables.table import Table
from pyg_sitenet.errors import DataError, StructureError

# Frames looked at to learn which values they carry, where none is asked for.
_PEEK = 100


def read_frame_table(
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


def columns_of_frames(table: Table, ids: Collection[str]) -> Columns:
    """Return what the values of frames are.

    Args:
        table: The frames.
        ids: Names of values that name the frames.
    """
    names = [name for name in table.columns if name not in ids]
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
