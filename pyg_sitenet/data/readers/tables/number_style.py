"""How the numbers of a column are written: with decimal points or commas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pyg_sitenet.data.readers.cells import in_comma_style, in_point_style, separated


@dataclass
class NumberStyle:
    """Looks at the cells of one column, then says how its numbers are written.

    ``1,234`` alone may be two numbers; other cells of its column tell which is meant,
    or semicolons between the columns, which are written where the comma is the decimal
    sign. Where nothing tells, or where cells contradict each other, there is no style.

    Attributes:
        counts: Cells by how they can be read: ``comma``, ``point`` or ``both``.
        example: The first that has a separator.
    """

    counts: Counter[str] = field(default_factory=Counter)
    example: str = ""

    def see(self, text: str) -> bool:
        """Look at a cell; tell whether it is a number with separators."""
        readings = separated(text)
        if readings is None:
            return False
        self.example = self.example or text.strip()
        if readings.point == readings.comma:  # blanks between thousands
            self.counts["blanks"] += 1
        elif readings.point is None:
            self.counts["comma"] += 1
        elif readings.comma is None:
            self.counts["point"] += 1
        else:
            self.counts["both"] += 1
        return True

    def see_number(self, text: str) -> None:
        """Look at a number without separators: does it have a decimal point?"""
        if "." in text and in_comma_style(text) == text:
            self.counts["decimals"] += 1

    def reader(self, delimiter: str) -> Callable[[str], str] | None:
        """Return what writes cells of the column as programs do; None for no style.

        Args:
            delimiter: What stands between the columns.
        """
        counts = self.counts
        points, commas = counts["point"] + counts["decimals"], counts["comma"]
        if points and commas:
            return None
        if commas or (counts["both"] and not points and delimiter == ";"):
            return in_comma_style
        if points or (counts["blanks"] and not counts["both"]):
            return in_point_style
        return None
