"""JSON and YAML files of a folder, which may hold structures, rows or anything else."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import partial

from pyg_sitenet.data.readers.files.file_names import DOCUMENT_ENDINGS, is_document
from pyg_sitenet.data.readers.files.places import Place
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import SiteNetError

_CELLS = ("lattice", "lattice_vectors", "cell")
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?(?=\s*([\[{])?)|[{}]')
_SITES = re.compile(
    r'"(?:sites|species|coords|frac_coords|cartesian_site_positions|positions)"\s*:'
)
# What holds a cell that is not the document's own: that of a row, of an answer of
# OPTIMADE or of a database.
_HOLDERS = re.compile(r"structure|attributes|\d+")
# In YAML the values of both stand below or in brackets.
_YAML_CELL = re.compile(r"^lattice\s*:\s*(?:[\[{]|$)", re.MULTILINE)
_YAML_SITES = re.compile(r"^(?:sites|species|frac_coords)\s*:", re.MULTILINE)
_ROW = re.compile(r"\s*\[\s*\{(.{0,4096})", re.DOTALL)
_KEY = re.compile(r'"([^"]*)"\s*:')
_MAX_DEPTH = 3  # records of calculations have their structures deeper


def documents_of(place: Place, tables: Container[str]) -> list[str]:
    """Return the JSON and YAML files of a place that hold structures.

    Args:
        place: Folder or archive.
        tables: Files that are not looked at.
    """
    return [
        name
        for name in place.files
        if is_document(name) and name not in tables and _is_structure(place, name)
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


def find_files(place: Place, key: str) -> list[str]:
    """Return the files that a row means: JSON and YAML by their stems, too."""
    key = key.replace("\\", "/").removeprefix("./")
    return place.find(key) or [
        name
        for ending in DOCUMENT_ENDINGS
        for name in place.find(f"{key}{ending}")
        if _is_structure(place, name)
    ]


def _is_structure(place: Place, name: str) -> bool:
    """Tell whether JSON or YAML has cell and sites where structures have theirs."""
    text = _beginning(TextFile(place.origin(name), partial(place.open, name)))
    if text.lstrip().startswith("{"):
        return _SITES.search(text) is not None and _has_cell(text)
    return bool(_YAML_CELL.search(text) and _YAML_SITES.search(text))


def _has_cell(text: str) -> bool:
    """Tell whether a cell is the document's own, or that of what holds structures."""
    holders: list[str] = []  # keys of the objects that are open
    last = ""
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            holders.append(last)
        elif token[0] == "}":
            del holders[-1:]
        elif token[2]:
            last = token[1]
            is_own = len(holders) == 1 or (
                len(holders) <= _MAX_DEPTH and _HOLDERS.fullmatch(holders[-1])
            )
            if last in _CELLS and token[3] and is_own:
                return True
    return False
