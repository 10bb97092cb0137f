"""JSON and YAML files of a folder, which may hold structures, rows or anything else."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import partial

from pyg_sitenet.data.readers.files.file_names import is_document
from pyg_sitenet.data.readers.files.places import Place
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import SiteNetError

_CELL = re.compile(r'"(?:lattice|lattice_vectors|cell)"\s*:\s*[\[{]')
_SITES = re.compile(
    r'"(?:sites|species|coords|frac_coords|cartesian_site_positions|positions)"\s*:'
)
# What holds a cell that is not the document's own: that of a row, of an answer of
# OPTIMADE or of a database.
_HOLDER = re.compile(r'"(?:structure|attributes|\d+)"\s*:\s*\{[^{}]*$')
_YAML_CELL = re.compile(r"^lattice\s*:", re.MULTILINE)
_ROW = re.compile(r"\s*\[\s*\{(.{0,4096})", re.DOTALL)
_KEY = re.compile(r'"([^"]*)"\s*:')
_MAX_DEPTH = 3  # records of calculations have their structures deeper
_REACH = 4096  # letters between a holder and its cell


def documents_of(place: Place, tables: Container[str]) -> list[str]:
    """Return the JSON and YAML files of a place that hold structures.

    Args:
        place: Folder or archive.
        tables: Files that are not looked at.
    """
    return [
        name
        for name in place.files
        if is_document(name)
        and name not in tables
        and _holds_structure(
            _beginning(TextFile(place.origin(name), partial(place.open, name)))
        )
    ]


def columns_of_rows(file: TextFile) -> list[str]:
    """Return the names in the first row of a JSON file, none if it holds no rows."""
    row = _ROW.match(_beginning(file))
    return _KEY.findall(row[1]) if row else []


def _beginning(file: TextFile) -> str:
    """Return up to a million letters, none of what cannot be read."""
    try:
        return next(file.pieces(), "")
    except SiteNetError:
        return ""


def _holds_structure(text: str) -> bool:
    """Tell whether JSON or YAML has cell and sites where structures have theirs."""
    if not text.lstrip().startswith("{"):
        return _YAML_CELL.search(text) is not None
    if _SITES.search(text) is None:
        return False
    return any(_is_own(text[: cell.start()]) for cell in _CELL.finditer(text))


def _is_own(before: str) -> bool:
    """Tell by what stands before a cell whether it is that of a structure."""
    depth = before.count("{") - before.count("}")
    is_held = _HOLDER.search(before[-_REACH:]) is not None
    return depth == 1 or (depth <= _MAX_DEPTH and is_held)
