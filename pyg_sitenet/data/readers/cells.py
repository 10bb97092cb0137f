"""What a cell of a table or a value of a frame is: a number, a label, or a gap.

The one place that decides it for all readers.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

# What spreadsheets and programs write where nothing is known, in small letters.
_GAPS = frozenset(
    (
        *("", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "?"),
        *("na", "n/a", "n.a", "n.a.", "#na", "#n/a", "#n/a n/a", "<na>", "nat"),
        *("nan", "-nan", "+nan", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind"),
        *("null", "(null)", "none", "nil", "n.d", "n.d.", "n/d", "empty", "missing"),
        *("#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"),
    )
)
_LONGEST_GAP = 16  # letters, blanks around it included; a structure is longer
_LONGEST_NUMBER = 4000

_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[ed][+-]?\d+)?|inf(?:inity)?)", re.ASCII | re.I
)
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_BLANK = " \u00a0\u2009\u202f'\u2019"  # between thousands, in some countries
# With thousands apart, or a comma for the point: written for people of two kinds.
# Thousands of thousands are apart by two digits in India.
_POINT = re.compile(
    rf"[+-]?(?:[1-9]\d{{0,2}}(?:(?:,\d{{2,3}})*,\d{{3}}|(?:[{_BLANK}]\d{{3}})+)|\d+)"
    rf"(?:\.\d*)?{_EXPONENT}",
    re.ASCII,
)
_COMMA = re.compile(
    rf"[+-]?(?:[1-9]\d{{0,2}}(?:(?:\.\d{{3}})+|(?:[{_BLANK}]\d{{3}})+)|\d+)?"
    rf"(?:,\d*)?{_EXPONENT}",
    re.ASCII,
)
_SEPARATOR = re.compile(rf"\d[,{_BLANK}]\d|\d\.\d{{3}}\.\d|^[+-]?,\d|\d,$")


def number_of(value: object) -> float | None:
    """Return the number that a value is, finite or not; None if it is none.

    Text is a number as programs write it: neither ``1_10`` nor ``1,5``.

    Example:
        >>> number_of(" 1.5 "), number_of("1_10"), number_of(True), number_of("NaN")
        (1.5, None, None, None)
    """
    if isinstance(value, bool | np.bool_) or value is None:
        return None
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMBER:
            return None
        text = _plain(value)
        return float(text.replace("d", "e")) if _NUMBER.fullmatch(text) else None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def is_gap(value: object) -> bool:
    """Tell whether a value says that nothing is known: empty, NaN, ``N/A``, ``-``.

    Example:
        >>> is_gap(" n/a "), is_gap(None), is_gap("Na"), is_gap(0)
        (True, True, False, False)
    """
    if value is None:
        return True
    if isinstance(value, str):
        if len(value) > _LONGEST_GAP and value[:_LONGEST_GAP].strip():
            return False
        text = value.strip()
        return text.lower() in _GAPS and text != "Na"  # sodium
    number = number_of(value)
    return number is not None and math.isnan(number)


def is_label(value: object) -> bool:
    """Tell whether a value is text or a boolean, and so may name a class."""
    return isinstance(value, bool | np.bool_) or (
        isinstance(value, str) and not is_gap(value)
    )


class Readings(NamedTuple):
    """A number with separators as it may be meant, None if it may not.

    Attributes:
        point: With a point before the decimals, thousands apart by commas or blanks.
        comma: With a comma before the decimals, thousands apart by points or blanks.
    """

    point: str | None
    comma: str | None


def separated(text: str) -> Readings | None:
    """Return how a number with separators may be meant; None for any other text.

    Example:
        >>> separated("1,234"), separated("1.5")
        (Readings(point='1234', comma='1.234'), None)
    """
    if len(text) > _LONGEST_NUMBER:
        return None
    text = text.strip().replace("\u2212", "-")
    if not _SEPARATOR.search(text):
        return None
    readings = Readings(
        _joined(text, ",") if _POINT.fullmatch(text) else None,
        _joined(text, ".").replace(",", ".") if _COMMA.fullmatch(text) else None,
    )
    return readings if any(readings) else None


def in_comma_style(text: str) -> str:
    """Return a number of a column with decimal commas as programs write it.

    Other text stays as it is.

    Example:
        >>> in_comma_style("1.234,5"), in_comma_style("1.234"), in_comma_style("1.5")
        ('1234.5', '1234', '1.5')
    """
    plain = text.strip().replace("\u2212", "-")
    if len(plain) > _LONGEST_NUMBER or not plain or not _COMMA.fullmatch(plain):
        return text
    return _joined(plain, ".").replace(",", ".")


def in_point_style(text: str) -> str:
    """Return a number whose thousands are apart as programs write it.

    Other text stays as it is.

    Example:
        >>> in_point_style("1,234.5"), in_point_style("1,23")
        ('1234.5', '1,23')
    """
    plain = text.strip().replace("\u2212", "-")
    if len(plain) > _LONGEST_NUMBER or not plain or not _POINT.fullmatch(plain):
        return text
    return _joined(plain, ",")


def _joined(text: str, thousands: str) -> str:
    return text.translate(dict.fromkeys(map(ord, thousands + _BLANK)))


def _plain(text: str) -> str:
    return text.strip().replace("\u2212", "-").lower()
