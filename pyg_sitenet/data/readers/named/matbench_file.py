"""The file of a Matbench task as a source, with its official ids and unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.places import Folder
from pyg_sitenet.data.readers.named.matbench_tasks import MatbenchTask
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.tables.row import Row
from pyg_sitenet.data.readers.tables.row_entries import row_entries
from pyg_sitenet.data.readers.tables.table import Table, read_table
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.structure.text import TextFile, hash_file
from pyg_sitenet.errors import DataError

# What the target may be called in a file that is not the official one.
_TARGET = "target"


def open_task(task: MatbenchTask, path: Path, wanted: Wanted) -> Source:
    """Open the file of a task.

    Args:
        task: The task.
        path: The official file, or JSON lines with ``structure`` and ``target``, in the
            official order.
        wanted: The target of the task, or none.

    Raises:
        DataError: If the file is not that of the task.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file for {task.name}; give the path of one")
    file = TextFile(str(path), lambda: path.open("rb"))
    table = read_table(file)
    column = next(
        (
            column_name
            for column_name in (task.target, _TARGET)
            if column_name in table.columns
        ),
        None,
    )
    if column is None or table.column_of(("structure",)) is None:
        raise DataError(
            f"{path}: not the file of {task.name}: it has no column {task.target!r} "
            f"beside 'structure' but {', '.join(table.columns[:8])}"
        )
    if table.count != task.num_crystals:
        raise DataError(
            f"{path}: not the file of {task.name}: it has {table.count} crystals, "
            f"expected {task.num_crystals}; download it again"
        )
    wanted.check(task.name, (task.target,), ())
    wanted = wanted.in_units(task.name, {task.target: task.unit} if task.unit else {})
    write = _as_boolean if task.target in wanted.classes else _as_number
    official = Table(
        table.name,
        partial(_official_rows, task, table, column, write),
        ("id", "structure", task.target),
        {task.target: task.unit},
        frozenset({task.target}),
        table.count,
    )
    return Source(
        name=task.name,
        make_entries=partial(_entries, official, path, wanted),
        make_digest=lambda: f"{task.name} {hash_file(path)}",
        units={**official.units, **wanted.units},
        available=(task.target,),
        count=task.num_crystals,
        labels=(task.target,) if task.kind == "classification" else (),
        make_column=lambda name: (row.values.get(name) for row in official.rows()),
    )


def _entries(table: Table, path: Path, wanted: Wanted) -> Iterator[Entry | Failure]:
    return row_entries(table, Folder(path.parent, recursive=False), wanted, set())


def _official_rows(
    task: MatbenchTask, table: Table, column: str, write: Callable[[Any], Any]
) -> Iterator[Row]:
    for position, row in enumerate(table.rows()):
        id_, stated_id = task.id_of_row(position), row.values.get("id")
        problem = row.problem
        if (
            isinstance(stated_id, str)
            and stated_id.startswith("mb-")
            and stated_id != id_
        ):
            problem = f"is {stated_id} where {id_} stands in the official order"
        values = {
            "id": id_,
            "structure": row.values.get("structure"),
            task.target: write(row.values.get(column)),
        }
        yield Row(row.number, values, problem)


def _as_number(value: Any) -> Any:  # noqa: ANN401 - a cell
    """Write booleans as 0 and 1."""
    return float(value) if isinstance(value, bool) else value


def _as_boolean(value: Any) -> Any:  # noqa: ANN401 - a cell
    """Write 0 and 1 as booleans."""
    return bool(value) if value in (0, 1) else value
