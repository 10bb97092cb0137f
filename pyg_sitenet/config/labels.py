"""Labels as they stand in tables and settings, in one way of writing."""

from __future__ import annotations

import re
import unicodedata

# More digits are no number of a class, and Python refuses to read 4,301.
_INTEGER = re.compile(r"([+-]?\d{1,100})(\.0*)?")
_BOOLEANS = ("true", "false")


def as_label(value: object) -> str:
    """Write a label, a whole number or a boolean so that equal ones are equal text.

    An accent is part of its letter, as most systems write it, but not macOS.

    Example:
        >>> as_label(" metal "), as_label("1.0"), as_label(1), as_label(True)
        ('metal', '1', '1', 'true')
    """
    text = unicodedata.normalize("NFC", str(value)).strip()
    if text.lower() in _BOOLEANS:
        return text.lower()
    whole = _INTEGER.fullmatch(text)
    return str(int(whole[1])) if whole else text
