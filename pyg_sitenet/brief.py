"""Values and texts as messages show them: one line, cut where they are long."""

from __future__ import annotations

import reprlib

LONGEST = 300
"""Letters of a value or text in a message."""


class _Brief(reprlib.Repr):
    """Looks at the start of a value only, however much it would print."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 12
        self.maxstring = self.maxother = self.maxlong = 120

    def repr_int(self, x: int, level: int) -> str:
        """Return the digits, or how large it is where Python refuses to print them."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"an integer of {x.bit_length()} bits"


_BRIEF = _Brief()


def brief(value: object) -> str:
    """Return what ``repr`` does, cut to a part of a line.

    Example:
        >>> brief({"heads": 0}), len(brief(["x" * 10**6] * 10**6)) <= LONGEST + 4
        ("{'heads': 0}", True)
    """
    return brief_line(_BRIEF.repr(value))


def brief_line(text: object) -> str:
    r"""Return a text, such as that of an error, on one line and cut.

    Example:
        >>> brief_line(ValueError("expected\n  a number"))
        'expected a number'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."
