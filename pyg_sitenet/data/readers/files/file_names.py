"""What a file may hold, told by its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from posixpath import basename, dirname, splitext
from unicodedata import normalize

from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.formats import ENDINGS, FileFormat, format_of
from pyg_sitenet.data.structure.refused import (
    RECORDS_OF_VASP,
    REFUSED_IN_FOLDERS,
    REFUSED_NAMES_IN_FOLDERS,
)

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xlsx"})
DOCUMENT_ENDINGS = (".json", ".yaml", ".yml")
_LOCK = "~$"  # begins the name of a file that Excel has beside an open one
_REFUSED_SUFFIXES = tuple(REFUSED_IN_FOLDERS)


def is_structure_file(name: str) -> bool:
    """Tell by its name whether a file holds one structure (also compressed)."""
    entry = _format_in_folders(name)
    return entry is not None and not entry.is_multiple


def is_frame_file(name: str) -> bool:
    """Tell by its name whether a file may hold many structures.

    Files of formats that are refused are among them: each is a failure that says why.
    """
    entry = _format_in_folders(name)
    if entry is not None:
        return entry.is_multiple
    plain = basename(uncompressed(name)).lower()
    return plain.endswith(_REFUSED_SUFFIXES) or plain.startswith(
        REFUSED_NAMES_IN_FOLDERS
    )


def without_records(names: Sequence[str]) -> list[str]:
    """Leave out the records of a calculation whose structure is a file beside them."""
    runs = {
        dirname(name)
        for name in names
        if basename(name).lower().startswith(("poscar", "contcar"))
    }
    return [
        name
        for name in names
        if dirname(name) not in runs
        or not basename(name).lower().startswith(RECORDS_OF_VASP)
    ]


def is_table(name: str) -> bool:
    """Tell by its name whether a file is a table (also compressed)."""
    is_lock = basename(name).startswith(_LOCK)
    return _suffix(uncompressed(name)) in TABLE_SUFFIXES and not is_lock


def is_document(name: str) -> bool:
    """Tell by its name whether a file is JSON or YAML (also compressed)."""
    return _suffix(uncompressed(name)) in DOCUMENT_ENDINGS


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is a zip archive."""
    return _suffix(name) == ".zip"


def id_of_file(name: str) -> str:
    """Name the crystal of a file: its path without the ending of a structure file."""
    stem, suffix = splitext(uncompressed(name))
    is_told = suffix.lower() in ENDINGS or suffix.lower() in REFUSED_IN_FOLDERS
    return stem if is_told else name


def visible(names: Iterable[str]) -> list[str]:
    """Leave out what file managers hide or add, sorted."""
    return sorted(
        name
        for name in names
        if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
        and basename(name).lower() != "thumbs.db"
    )


def index_files(files: Sequence[str]) -> dict[str, list[str]]:
    """Map path, name and both without ending to the structure files they mean.

    Paths have slashes, which some archives from Windows write as backslashes. JSON and
    YAML files, which may hold anything, are meant by their whole names.
    """
    index: dict[str, list[str]] = defaultdict(list)
    for name in files:
        if not (is_structure_file(name) or is_document(name)):
            continue
        path = name.replace("\\", "/")
        base = basename(path)
        keys = (path, id_of_file(path), base, id_of_file(base))
        for key in dict.fromkeys((*keys, *(normalize("NFC", key) for key in keys))):
            index[key].append(name)
    return dict(index)


def indexed(index: Mapping[str, list[str]], key: str) -> list[str]:
    """Return the files that a name means, however its accents are encoded.

    Systems from Apple write a letter and its accent as two characters.
    """
    return index.get(key) or index.get(normalize("NFC", key), [])


# Strings rather than paths: an archive may have a million names.
def _suffix(name: str) -> str:
    return splitext(name)[1].lower()


def _format_in_folders(name: str) -> FileFormat | None:
    entry = None if is_table(name) else format_of(name)
    return entry if entry is not None and entry.in_folders else None
