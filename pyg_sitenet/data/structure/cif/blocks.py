"""The data blocks of a CIF and the names and values of each, in any dialect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import gemmi

from pyg_sitenet.data.structure.cif.sloppy import sloppy_items
from pyg_sitenet.data.structure.cif.triple_quotes import without_triple_quotes
from pyg_sitenet.data.structure.cif.values import Values, is_null, is_used, plain_tag
from pyg_sitenet.errors import StructureError

Item = tuple[Sequence[str], Sequence[str]]

# A loop of atoms that holds nothing but question marks, as templates have it.
_NO_ATOMS = re.compile(
    r"_atom_site[_.]fract_[xyz]\s*\n(?:\s*_[^\n]*\n)*\s*(?:[?.]\s+){3,}"
    r"(?=loop_|_|#|data_|$)",
    re.IGNORECASE,
)
_COORDINATE = ("_atom_site_fract_x", "_atom_site.fract_x")


def split_cif(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each data block that lists atoms with coordinates."""
    for name, block in _blocks(without_triple_quotes(lines)):
        text = block.lower()
        if any(tag in text for tag in _COORDINATE) and not _NO_ATOMS.search(block):
            yield name, block


def _blocks(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    name, in_text = "", False
    block: list[str] = []
    for line in lines:
        if line.startswith(";"):
            in_text = not in_text  # multi-line values may hold anything
        elif not in_text and line.lstrip()[:5].lower() == "data_":
            yield name, "".join(block)
            name, block = line.split()[0][5:], []
        block.append(line)
    yield name, "".join(block)


def parse_block(text: str, origin: str) -> Values:
    """Return the names and values of a data block that tell of its crystal.

    Args:
        text: The block, with or without its ``data_`` line.
        origin: File that messages begin with.

    Raises:
        StructureError: If a loop of atoms or operations is cut off, or if something
            is given twice and differs: programs would take one or the other.
    """
    columns: dict[str, list[str]] = {}
    for tags, values in _items(text, origin):
        for column, tag in enumerate(map(plain_tag, tags)):
            if not is_used(tag):
                continue
            content = [_text(value) for value in values[column :: len(tags)]]
            before = columns.get(tag, [])
            if all(map(is_null, before)):
                columns[tag] = content
            elif content != before and not all(map(is_null, content)):
                raise StructureError(
                    f"{origin}: gives {tag} twice; remove the one that is not meant"
                )
    return Values(columns, origin)


def _items(text: str, origin: str) -> Iterator[Item]:
    """Yield tags and values of each pair and loop, by gemmi where the text is a CIF."""
    has_header = any(line.lstrip()[:5].lower() == "data_" for line in _head(text))
    try:
        document = gemmi.cif.read_string(text if has_header else f"data_\n{text}", 0)
    except ValueError:
        yield from sloppy_items(text, origin)
        return
    for block in document:
        for item in block:
            if item.pair is not None:
                tag, value = cast("tuple[str, str]", item.pair)
                yield (tag,), (value,)
            elif item.loop is not None and any(map(_may_be_used, item.loop.tags)):
                yield item.loop.tags, item.loop.values


def _head(text: str) -> Iterator[str]:
    """Yield the first line of a block that is neither empty nor a comment."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line
            return


def _may_be_used(tag: str) -> bool:
    return is_used(plain_tag(tag))


def _text(value: str) -> str:
    """Return a value without its quotes; unknown ones stay ``?`` and ``.``."""
    if value[:1] not in "'\";":
        return value
    return gemmi.cif.as_string(value).strip()
