"""Strings in triple quotes, which CIF 2.0 alone has, as text fields of any CIF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import StringIO

_HEADER = re.compile(r"#\\#CIF_2\.0(?!\S)")
_TRIPLE = ("'''", '"""')
# A comment, a quote that opens, a value of one line (2048 letters), brackets, a word.
_TOKEN = re.compile(
    r"""\#.*|'''|\"\"\"|'(?:[^'\n]|'(?=[^\s:\]}])){0,2048}'|:(?=['"])"""
    r"""|"(?:[^"\n]|"(?=[^\s:\]}])){0,2048}"|[\[\]{}]|[^\s\[\]{}]+"""
)


def without_triple_quotes(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a CIF, those of CIF 2.0 without triple quotes.

    In older CIFs, triple quotes are a quoted value that begins and ends with quotes.
    """
    remaining = iter(lines)
    for line in remaining:
        yield line
        if _HEADER.match(line):
            remaining = _converted(remaining)
        if line.strip():
            break
    yield from remaining


def _converted(lines: Iterable[str]) -> Iterator[str]:
    quotes, in_text = "", False
    for line in lines:
        is_edge = not quotes and line.startswith(";")
        in_text = in_text != is_edge
        if in_text:
            yield line
            continue
        converted, quotes = _convert(line[is_edge:], quotes)
        yield from StringIO(";" * is_edge + converted)


def _convert(line: str, quotes: str) -> tuple[str, str]:
    """Return a line, which may become several, and the quotes that are open after it.

    Args:
        line: Outside of text fields.
        quotes: Those that are open before it, if any.
    """
    pieces = []
    start = 0
    if quotes and line.startswith(";"):
        pieces.append(" ")  # or it would end the text field
    while start < len(line):
        if quotes:
            end = line.find(quotes, start)
            if end < 0:
                break
            pieces.append(f"{line[start:end]}\n;\n ")
            quotes, start = "", end + len(quotes)
        else:
            tokens = _TOKEN.finditer(line, start)
            opening = next((match for match in tokens if match[0] in _TRIPLE), None)
            if opening is None:
                break
            pieces.append(f"{line[start : opening.start()]}\n;")
            quotes, start = opening[0], opening.end()
    return "".join((*pieces, line[start:])), quotes
