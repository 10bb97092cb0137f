"""What a file may hold, told by its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from posixpath import basename, splitext

STRUCTURE_SUFFIXES = frozenset(
    {".cif", ".mcif", ".vasp", ".poscar", ".contcar", ".xsf", ".res", ".cssr"}
)
FRAME_SUFFIXES = frozenset(
    {".extxyz", ".xyz", ".traj", ".db", ".pdb", ".gen", ".xsd", ".cell", ".pwi"}
    | {".pwo", ".xtd", ".struct", ".cube"}
)
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson"})
COMPRESSION_SUFFIXES = (".gz", ".bz2", ".xz")

# Names without a telling ending that programs give to their structures.
_STRUCTURE_NAMES = ("POSCAR", "CONTCAR")
_FRAME_NAMES = ("XDATCAR", "OUTCAR", "VASPRUN.XML", "GEOMETRY.IN")


def is_structure_file(name: str) -> bool:
    """Tell by its name whether a file holds one structure (also compressed)."""
    name = basename(_uncompressed(name))
    return _suffix(name) in STRUCTURE_SUFFIXES or name.upper().startswith(
        _STRUCTURE_NAMES
    )


def is_frame_file(name: str) -> bool:
    """Tell by its name whether a file may hold many structures."""
    name = basename(_uncompressed(name))
    return _suffix(name) in FRAME_SUFFIXES or name.upper().startswith(_FRAME_NAMES)


def is_table(name: str) -> bool:
    """Tell by its name whether a file is a table (also compressed with gzip)."""
    return _suffix(name.lower().removesuffix(".gz")) in TABLE_SUFFIXES


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is a zip archive."""
    return _suffix(name) == ".zip"


def id_of_file(name: str) -> str:
    """Name the crystal of a file: its path without the ending of a structure file."""
    stem, suffix = splitext(_uncompressed(name))
    known = suffix.lower() in STRUCTURE_SUFFIXES or suffix.lower() in FRAME_SUFFIXES
    return stem if known else name


def visible(names: Iterable[str]) -> list[str]:
    """Leave out what file managers hide or add, sorted."""
    return sorted(
        name
        for name in names
        if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    )


def index_files(files: Sequence[str]) -> dict[str, list[str]]:
    """Map path, name and both without ending to the structure files they mean."""
    index: dict[str, list[str]] = defaultdict(list)
    for name in filter(is_structure_file, files):
        base = basename(name)
        for key in dict.fromkeys((name, id_of_file(name), base, id_of_file(base))):
            index[key].append(name)
    return dict(index)


# Strings rather than paths: an archive may have a million names.
def _suffix(name: str) -> str:
    return splitext(name)[1].lower()


def _uncompressed(name: str) -> str:
    stem, suffix = splitext(name)
    return stem if suffix.lower() in COMPRESSION_SUFFIXES else name
