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
        counts: Cells by how they can be read: ``comma``, ``point`` or ``both``; those
            with ``blanks`` between thousands, with thousands before a decimal comma
            (``grouped``), and with a point of ``decimals``.
        example: The first that has a separator.
        thousands: The first like ``1.234``, which may be one in comma style.
    """

    counts: Counter[str] = field(default_factory=Counter)
    example: str = ""
    thousands: str = ""

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
            self.counts["grouped"] += "." in text  # as 1.234,5 has thousands
        elif readings.comma is None:
            self.counts["point"] += 1
        else:
            self.counts["both"] += 1
        return True

    def see_number(self, text: str) -> None:
        """Look at a number without separators: is its point one of decimals?"""
        if "." not in text:
            return
        if in_comma_style(text) == text:
            self.counts["decimals"] += 1
        else:
            self.thousands = self.thousands or text.strip()

    def unsure(self, *, has_commas: bool) -> str:
        """Return a number that may be meant in two ways, such as ``1.234``, if any may.

        Args:
            has_commas: Whether another column has decimal commas: who writes them means
                a thousand by it. In one column with them it may as well be a slip.
        """
        is_clear = any(self.counts[kind] for kind in ("grouped", "point", "decimals"))
        has_commas |= self.counts["comma"] > 0
        return self.thousands if has_commas and not is_clear else ""

    def reader(self, delimiter: str) -> Callable[[str], str] | None:
        """Return what writes cells of the column as programs do; None for no style.

        Args:
            delimiter: What stands between the columns.
        """
        counts = self.counts
        points, commas = counts["point"] + counts["decimals"], counts["comma"]
        if commas and (points or self.unsure(has_commas=True)):
            return None
        if commas or (counts["both"] and not points and delimiter == ";"):
            return in_comma_style
        if points or (counts["blanks"] and not counts["both"]):
            return in_point_style
        return None
