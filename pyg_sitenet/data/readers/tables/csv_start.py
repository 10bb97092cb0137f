"""Where a CSV table begins: behind remarks, blank lines and Excel's ``sep=;``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pyg_sitenet.data.readers.cells import is_gap, number_of
from pyg_sitenet.data.readers.tables.row import KNOWN_COLUMNS, UNIT_COLUMNS
from pyg_sitenet.data.readers.units import is_unit
from pyg_sitenet.data.structure.text import TextFile

_QUOTED = re.compile('"[^"]*"')
_DELIMITER_LINE = re.compile(r'"?sep=([;,|\t])"?', re.I)  # tells Excel the delimiter
_BRACKETED = re.compile(r"\[([^\[\]]+)\]|\(([^()]+)\)")
DELIMITERS = ";\t,|"
_REMARK = ("#", '"#')
_AROUND = " []():"  # the word for units that a row of them begins with


class Start(NamedTuple):
    """Where a CSV table begins, and how it is written.

    Attributes:
        skipped: Lines before the heading.
        delimiter: What stands between the values.
        is_remark: Whether the heading is itself a remark, ``# id,gap``.
        is_spaced: Whether blanks stand before quotes.
    """

    skipped: int
    delimiter: str
    is_remark: bool
    is_spaced: bool


def find_start(file: TextFile) -> Start:
    """Find the heading of a CSV table, and the delimiter.

    Raises:
        DataError: If it cannot be read.
    """
    stated, number, remark, heading = "", 0, (-1, ""), ""
    lines = file.lines()
    for number, line in enumerate(lines):
        text = line.strip()
        if match := _DELIMITER_LINE.fullmatch(text):
            stated = match[1]
        elif text.startswith(_REMARK):
            remark = (number, line)
        elif text.strip(f'{DELIMITERS}" '):
            heading = line
            break
    row = next((line for line in lines if line.strip()), "")
    delimiter = stated or _delimiter(heading, row)
    is_remark = _names_columns(remark[1], heading, delimiter)
    if is_remark:
        number, heading, row = *remark, heading
    # Quotes behind blanks, as people write them, would be letters like others.
    text = _QUOTED.sub("\0", heading + row)
    is_spaced = re.search(f"{re.escape(delimiter)} +\0", text) is not None
    return Start(number, delimiter, is_remark, is_spaced)


def states_units(cells: Sequence[str]) -> bool:
    """Tell whether a row below the heading says units and nothing else.

    Example:
        >>> states_units(["", "eV"]), states_units(["", "1.5"]), states_units(["K", ""])
        (True, False, False)
        >>> states_units(["Units:", "eV"]), states_units(["", "[eV]", "(GPa)"])
        (True, True)
    """
    first, *others = map(without_brackets, cells)
    stated = [cell for cell in others if not is_gap(cell)]
    return (
        bool(stated)
        and (is_gap(first) or first.strip(_AROUND).lower() in UNIT_COLUMNS)
        and all(number_of(cell) is None and is_unit(cell) for cell in stated)
    )


def without_brackets(cell: str) -> str:
    """Return a unit without the brackets that may stand around it.

    Example:
        >>> without_brackets(" [eV]"), without_brackets("(GPa)"), without_brackets("K")
        ('eV', 'GPa', 'K')
    """
    match = _BRACKETED.fullmatch(cell.strip())
    return (match[1] or match[2]).strip() if match else cell.strip()


def _delimiter(heading: str, row: str) -> str:
    """Return what most often stands in the heading, and in the row below it, too.

    There may be as many semicolons as commas: those of decimals.
    """
    heading, row = _QUOTED.sub("", heading), _QUOTED.sub("", row)
    return max(
        DELIMITERS,
        key=lambda sign: (
            min(heading.count(sign), row.count(sign)),
            heading.count(sign),
        ),
    )


def _names_columns(remark: str, row: str, delimiter: str) -> bool:
    """Tell whether a remark is the heading of the row below, which holds values."""
    heads, cells = (_cells(line, delimiter) for line in (remark, row))
    if len(heads) != len(cells) or len(cells) < 2 or KNOWN_COLUMNS & {*cells}:
        return False
    has_numbers = any(number_of(cell) is not None for cell in cells)
    return has_numbers or bool(KNOWN_COLUMNS & {*heads})


def _cells(line: str, delimiter: str) -> list[str]:
    plain = _QUOTED.sub(lambda cell: cell[0].replace(delimiter, " "), line)
    return [cell.strip('#" \r\n').lower() for cell in plain.split(delimiter)]
