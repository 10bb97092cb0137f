"""Text of unknown origin, made safe for the terminal and for cells of tables."""

from __future__ import annotations

import re
import unicodedata

# Control, format (which reorders text), surrogates, and ends of lines.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# What a spreadsheet takes for a formula, at the start of a cell or behind a semicolon,
# which separates cells in many countries; the wide signs count in Japanese ones.
_FORMULA = re.compile(r"(?:^|;)\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:[\\tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})"
)


def terminal_text(text: str) -> str:
    r"""Write characters that a terminal obeys, or hides, as escapes.

    Example:
        >>> terminal_text("Si\x1b[2J")
        'Si\\x1b[2J'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _UNSAFE else character
        for character in text
    )


def cell_text(text: str) -> str:
    r"""Write a text so that no spreadsheet takes it for a formula or a command.

    A text that could be one gets an apostrophe before it, and escapes for control
    characters; so does a text with an apostrophe of its own there, which keeps the two
    apart. Numbers and all other texts stay as they are.

    Example:
        >>> cell_text("NaCl"), cell_text("-1.5"), cell_text("=1+1"), cell_text("a\tb")
        ('NaCl', '-1.5', "'=1+1", "'a\\tb")
    """
    harmless = not text.startswith("'") and not _FORMULA.search(text)
    if (harmless and terminal_text(text) == text) or _NUMBER.fullmatch(text):
        return text
    return "'" + terminal_text(text.replace("\\", r"\\").replace(";", r"\x3b"))


def text_of_cell(cell: str) -> str:
    """Return the text that :func:`cell_text` made a cell of; others as they are.

    Example:
        >>> text_of_cell("'=1+1"), text_of_cell("'t Hooft")
        ('=1+1', "'t Hooft")
    """
    if not cell.startswith("'"):
        return cell
    text = _ESCAPE.sub(lambda escape: _unescaped(escape.group()), cell[1:])
    return text if cell_text(text) == cell else cell


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _unescaped(escape: str) -> str:
    return escape.encode("ascii").decode("unicode_escape")
