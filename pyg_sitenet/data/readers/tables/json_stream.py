"""JSON documents of any size, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyg_sitenet.data.structure.plain_data import DuplicateKeyError, decoder
from pyg_sitenet.data.structure.text import MAX_VALUE_BYTES

_SPACE = " \t\r\n"
_AFTER_VALUE = frozenset(",]}:" + _SPACE)


class JsonReader:
    """Walks through a document and holds no more of it than one value.

    Args:
        pieces: The text, in pieces of any length.
    """

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text, self._at, self._ended = "", 0, False

    def next_letter(self) -> str:
        """Return the letter that the next value begins with; nothing at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._read_on(1):
                return ""

    def value(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the next value as a whole.

        Raises:
            DuplicateKeyError: If an object gives a key twice.
            ValueError: If there is none, or if it is longer than one crystal can be.
            RecursionError: If it is nested too deeply.
        """
        self.next_letter()
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except DuplicateKeyError:
                raise
            except ValueError:
                if not self._read_on(len(self._text)):
                    raise
                continue
            # A number could go on in the next piece, as 4 does in 4.5.
            if self._text[end : end + 1] in _AFTER_VALUE or not self._read_on(1):
                self._at = end
                return value

    def elements(self) -> Iterator[Any]:
        """Yield the elements of the list that comes next.

        Raises:
            ValueError: If it is none, or not well formed.
        """
        self._take("[")
        if self.next_letter() == "]":
            self._take("]")
            return
        while True:
            yield self.value()
            if self._take(",]") == "]":
                return

    def keys(self) -> Iterator[str]:
        """Yield each key of the object that comes next; the caller takes its value.

        Raises:
            ValueError: If it is none, or not well formed.
        """
        self._take("{")
        if self.next_letter() == "}":
            self._take("}")
            return
        while True:
            if self.next_letter() != '"':
                raise ValueError(f"a name is missing before {self._near()}")
            key: str = self.value()
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def _take(self, letters: str) -> str:
        letter = self.next_letter()
        if not letter or letter not in letters:
            raise ValueError(f"expected {' or '.join(letters)} before {self._near()}")
        self._at += 1
        return letter

    def _near(self) -> str:
        return repr(self._text[self._at : self._at + 20]) if self._text else "the end"

    def _read_on(self, count: int) -> bool:
        """Read at least so many letters more, and drop those that are done with."""
        if self._ended:
            return False
        parts, length = [self._text[self._at :]], 0
        while length < count and not self._ended:
            piece = next(self._pieces, None)
            self._ended = piece is None
            parts.append(piece or "")
            length += len(piece or "")
        self._text, self._at = "".join(parts), 0
        if len(self._text) > 2 * MAX_VALUE_BYTES:
            raise ValueError(f"no end of a value within {MAX_VALUE_BYTES} letters")
        return length > 0
