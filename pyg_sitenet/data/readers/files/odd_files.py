"""Files that may hold a structure, under names by which none is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import basename, dirname, splitext

from pyg_sitenet.data.readers.files.file_names import (
    is_archive,
    is_document,
    is_frame_file,
    is_structure_file,
    is_table,
)
from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.formats import ENDINGS
from pyg_sitenet.data.structure.refused import (
    PACKED_ENDINGS,
    PICKLE_ENDINGS,
    RECORDS_OF_VASP,
    REFUSED,
)

_ENDINGS = {*REFUSED, *PACKED_ENDINGS, ".inp", ".castep", ".dump", ".cml", ".xtl"}
_ENDINGS -= {*PICKLE_ENDINGS, ".log", ".xml", ".cfg"}  # far more often anything else
_READ = (is_structure_file, is_frame_file, is_table, is_document, is_archive)
_RUNS = ("poscar", "contcar", "geometry.in")
_SHOWN = 3


def odd_files(names: Sequence[str]) -> list[str]:
    """Return the files that may hold a structure by their names, but are not read.

    What a program has written or read beside its structure is not among them.
    """
    runs = {dirname(n) for n in names if basename(n).lower().startswith(_RUNS)}
    odd = (name for name in names if _is_odd(name, in_run=dirname(name) in runs))
    return [name for name in odd if not any(is_read(name) for is_read in _READ)]


def _is_odd(name: str, *, in_run: bool) -> bool:
    plain = basename(uncompressed(name)).lower()
    stem, ending = splitext(plain)
    if in_run and (ending in (".in", ".out") or plain.startswith(RECORDS_OF_VASP)):
        return False
    is_poscar = ending in ("", ".txt") and ("poscar" in stem or "contcar" in stem)
    return is_poscar or ending in _ENDINGS or splitext(stem)[1] in ENDINGS  # .cif.txt


def unread_note(names: Sequence[str]) -> Iterator[str]:
    """Say in one line which files may hold structures and are not read, if any."""
    if names:
        count = "1 file" if len(names) == 1 else f"{len(names)} files"
        is_, more = "is" if len(names) == 1 else "are", len(names) - _SHOWN
        yield (
            f"{count} that may hold structures {is_} not read:"
            f" {', '.join(names[:_SHOWN])}{f' and {more} more' if more > 0 else ''};"
            " rename a structure, for example to NaCl.vasp, or give its path alone,"
            " which says what is wrong"
        )
