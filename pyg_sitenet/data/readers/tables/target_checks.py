"""Why a column of a table is no target, or how it was understood, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pyg_sitenet.data.readers.cells import is_gap, separated
from pyg_sitenet.data.readers.tables.columns import Columns
from pyg_sitenet.data.readers.tables.row import UNIT_COLUMNS
from pyg_sitenet.data.readers.tables.table import Table
from pyg_sitenet.data.readers.targets import is_stated
from pyg_sitenet.data.readers.units import WHOLE, conversion, is_unit
from pyg_sitenet.data.readers.wanted import MissingTargetError, Wanted
from pyg_sitenet.errors import DataError

_SHOWN = 5  # columns
_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?\s*(?P<unit>[^\d\s.,].{,20})$")


def check_rows(table: Table) -> None:
    """Say of a table without columns why there are none.

    Raises:
        DataError: If there are none.
    """
    problem = next((row.problem for row in table.rows()), "")
    if problem and not table.columns:
        raise DataError(f"{table.name}: no rows of named values: row 1: {problem}")


def check_roles(table: Table, columns: Columns, targets: Sequence[str]) -> None:
    """Say of a target that is a column with another role which that is.

    Raises:
        DataError: If there is one.
    """
    roles = {columns.id: "names the crystals", columns.structure: "holds structures"}
    for target in targets:
        if target in roles:
            raise DataError(
                f"{table.name}: the column {target!r} {roles[target]}, so that it is no"
                " target; if its values are to be learnt, give it another name"
            )


def check_numbers(table: Table, columns: Columns, targets: Sequence[str]) -> None:
    """Say of a target that is there why it is none.

    Raises:
        MissingTargetError: If its column is empty.
        DataError: If it holds something else.
    """
    for target in targets:
        if target in table.columns and target not in columns.targets:
            values = (row.values.get(target) for row in table.rows())
            stated = (str(value) for value in values if not is_gap(value))
            example = table.unsure.get(target) or next(stated, "")
            reason = f"{table.name}: {_why_no_numbers(table, target, example)}"
            raise DataError(reason) if example else MissingTargetError(reason, [target])


def _why_no_numbers(table: Table, target: str, example: str) -> str:
    if not example:
        return (
            f"the column {target!r} holds no numbers, all {table.count} rows are empty;"
            " fill them in (formulas of a spreadsheet: compute and save them), or"
            " choose another target"
        )
    if target in table.unsure or separated(example):
        return (
            f"the numbers of the column {target!r}, such as {example!r:.40}, may be"
            " meant in two ways; write them like 1234.5"
        )
    number, unit = _NUMBER.match(example.strip()), ""
    if number is not None and is_unit(number["unit"]):
        unit = f"; its unit belongs in the heading, {target} [{number['unit']}]"
    return (
        f"the column {target!r} holds no numbers but {example!r:.40}; numbers are"
        f" written like 1.5{unit}, and classes are learnt with"
        f" data.classes={{{target}: []}}"
    )


def target_notes(
    table: Table,
    columns: Columns,
    wanted: Wanted,
    stated: Mapping[str, str],
    units: Mapping[str, str],
) -> Iterator[str]:
    """Say how values were read, and in which units they were stated.

    Args:
        table: The rows.
        columns: What its columns are.
        wanted: Targets and classes that are asked for.
        stated: The units that the table states.
        units: Those in which values are wanted.
    """
    if table.shared_names and columns.id is None:
        yield "name: several crystals share one, so that ids are not taken from it"
    for target in wanted.targets:
        yield from table.notes.get(target, ())
        yield from _gap_notes(table, target, wanted.classes)
        if target in table.percentages and target not in wanted.classes:
            share = float(table.percentages[target])
            yield from _percent_notes(target, share, wanted.units.get(target))
        column = columns.unit_columns.get(target, "")
        missing = table.unstated.get(column, 0)
        if missing and target in stated:
            rows = "1 row states" if missing == 1 else f"{missing} rows state"
            yield f"{target}: {rows} no unit, taken as {stated[target]}"
        heading = table.units.get(target)
        if column in table.stated and heading not in (None, table.stated[column]):
            yield (
                f"{target}: the column {column!r} states {table.stated[column]!r}, its"
                f" heading {heading!r}; that of the column is taken"
            )
    yield from _unit_column_notes(table, columns, wanted)
    for target, unit in stated.items():
        if target in wanted.targets and unit != units[target]:
            before, now = (text or "plain numbers" for text in (unit, units[target]))
            yield f"{target}: stated in {before}, converted to {now}"


def _percent_notes(target: str, share: float, unit: str | None) -> Iterator[str]:
    """Say what is made of cells that a spreadsheet shows in percent.

    Args:
        target: Their column.
        share: The first of them, as a share of 1.
        unit: That of the target, if it has one.
    """
    cells = (
        f"{target}: cells shown in percent, such as {share:.6g} as {100 * share:.6g}%"
    )
    if unit is None:
        yield (
            f"{cells}, are taken as shares of 1; the heading '{target} [%]' states"
            " percent"
        )
    elif change := conversion(WHOLE, unit):  # if there is none, no row is read
        yield f"{cells}, are taken as {change(share):.6g} in {unit or 'plain numbers'}"


def _unit_column_notes(table: Table, columns: Columns, wanted: Wanted) -> Iterator[str]:
    """Say that a column of units is not used, of which nobody knows whose they are."""
    column = table.column_of(UNIT_COLUMNS)
    stated = (*table.units, *columns.unit_columns)
    targets = [k for k in wanted.targets if k in columns.targets and k not in stated]
    if column not in table.stated or column in columns.unit_columns.values():
        return
    if targets:
        others = [name for name in columns.targets if name not in targets]
        shown = ", ".join(map(repr, [*targets, *others][:_SHOWN]))
        more = ", ..." if len(columns.targets) > _SHOWN else ""
        yield (
            f"{targets[0]}: the column {column!r} is not used, since it may be that of"
            f" any of the columns of numbers ({shown}{more}); call it"
            f" {f'{targets[0]} unit'!r} to give the unit of each row"
        )


def _gap_notes(
    table: Table, target: str, classes: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Say which words are taken as not known, apart from those listed as classes."""
    counts = table.gaps.get(target, {})
    words = {w: n for w, n in counts.items() if not is_stated(w, target, classes)}
    if words:
        frequent = sorted(words, key=words.__getitem__, reverse=True)
        shown = ", ".join(f"{word!r}" for word in frequent[:5])
        yield f"{target}: {sum(words.values())} times {shown}, taken as not known"
