"""JSON and YAML files of a folder that hold structures rather than anything else."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import partial
from posixpath import splitext

from pyg_sitenet.data.readers.files.places import Place
from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import SiteNetError

_ENDINGS = (".json", ".yaml", ".yml")
_JSON_CELL = re.compile(r'"(?:lattice|lattice_vectors|cell)"\s*:')
_YAML_CELL = re.compile(r"^lattice\s*:", re.MULTILINE)
_ROW = re.compile(r"\s*\[\s*\{(.{0,4096})", re.DOTALL)
_KEY = re.compile(r'"([^"]*)"\s*:')
# A structure, that of a row or of a database, or one of an OPTIMADE answer; records of
# calculations have theirs deeper.
_MAX_DEPTH = 3


def documents_of(place: Place, tables: Container[str]) -> list[str]:
    """Return the JSON and YAML files of a place that hold structures.

    Args:
        place: Folder or archive.
        tables: Files that are not looked at.
    """
    return [
        name
        for name in place.files
        if splitext(uncompressed(name))[1].lower() in _ENDINGS
        and name not in tables
        and _holds_structure(TextFile(place.origin(name), partial(place.open, name)))
    ]


def begins_with_rows(file: TextFile, columns: Container[str]) -> bool:
    """Tell whether a JSON file begins with a row that has one of these columns."""
    try:
        text = next(file.pieces(), "")
    except SiteNetError:
        return False
    row = _ROW.match(text)
    return row is not None and any(
        key.lower() in columns for key in _KEY.findall(row[1])
    )


def _holds_structure(file: TextFile) -> bool:
    """Tell whether a JSON or YAML file has a cell where structures have theirs."""
    try:
        text = file.text()
    except SiteNetError:  # empty, no text, or more than structures need
        return False
    if not text.lstrip().startswith("{"):
        return _YAML_CELL.search(text) is not None
    cell = _JSON_CELL.search(text)
    if cell is None:
        return False
    before = text[: cell.start()]
    return before.count("{") - before.count("}") <= _MAX_DEPTH
