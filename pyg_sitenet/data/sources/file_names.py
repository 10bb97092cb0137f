"""What a file may hold, told by its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

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
    path = PurePosixPath(_uncompressed(name))
    return path.suffix.lower() in STRUCTURE_SUFFIXES or path.name.upper().startswith(
        _STRUCTURE_NAMES
    )


def is_frame_file(name: str) -> bool:
    """Tell by its name whether a file may hold many structures."""
    path = PurePosixPath(_uncompressed(name))
    return path.suffix.lower() in FRAME_SUFFIXES or path.name.upper().startswith(
        _FRAME_NAMES
    )


def is_table(name: str) -> bool:
    """Tell by its name whether a file is a table (also compressed with gzip)."""
    path = PurePosixPath(name.lower().removesuffix(".gz"))
    return path.suffix in TABLE_SUFFIXES


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is a zip archive."""
    return PurePosixPath(name).suffix.lower() == ".zip"


def id_of_file(name: str) -> str:
    """Name the crystal of a file: its path without the ending of a structure file."""
    path = PurePosixPath(_uncompressed(name))
    known = STRUCTURE_SUFFIXES | FRAME_SUFFIXES
    return str(path.with_suffix("")) if path.suffix.lower() in known else name


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
        base = PurePosixPath(name).name
        for key in dict.fromkeys((name, id_of_file(name), base, id_of_file(base))):
            index[key].append(name)
    return dict(index)


def _uncompressed(name: str) -> str:
    for suffix in COMPRESSION_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
