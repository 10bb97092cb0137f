"""JSON and YAML files of a folder that hold structures rather than anything else."""

from __future__ import annotations

import re
from posixpath import splitext

from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import SiteNetError

_ENDINGS = (".json", ".yaml", ".yml")
_JSON_CELL = re.compile(r'"(?:lattice|lattice_vectors|cell)"\s*:')
_YAML_CELL = re.compile(r"^lattice\s*:", re.MULTILINE)
# A structure, that of a row or of a database, or one of an OPTIMADE answer; records of
# calculations have theirs deeper.
_MAX_DEPTH = 3


def is_document(name: str) -> bool:
    """Tell by its name whether a file is JSON or YAML (also compressed)."""
    return splitext(uncompressed(name))[1].lower() in _ENDINGS


def holds_structure(file: TextFile) -> bool:
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
