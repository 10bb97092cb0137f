"""Text of unknown origin, made safe for the terminal."""

from __future__ import annotations

import unicodedata

# Control, format (which reorders text), surrogates, and ends of lines.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


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


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
