"""The files of a folder or an archive as crystals, those with several as several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pyg_sitenet.data.readers.content import Member
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.file_names import (
    id_of_file,
    is_archive,
    is_structure_file,
)
from pyg_sitenet.data.readers.files.multi_frame import frame_entries
from pyg_sitenet.data.readers.files.places import Folder
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.formats import read_pieces
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError, StructureError


def file_entries(
    place: Folder | Archive, files: Sequence[str]
) -> Iterator[Entry | Failure]:
    """Yield the crystals of files, in their order.

    Args:
        place: Where they are.
        files: Their names there.
    """
    times = Counter(map(id_of_file, files))
    for name in files:
        id_, origin = id_of_file(name), place.origin(name)
        id_ = id_ if times[id_] == 1 else name
        try:
            if is_archive(name):
                raise DataError(f"{origin}: an archive within another place")
            if is_structure_file(name):
                yield from _structures(place.content(name), id_, origin)
            else:
                yield from _frames(place, name, id_, origin)
        except DataError as error:
            remedy = "repair the file, or name an archive as an input of its own"
            yield Failure(origin, id_, "read", str(error), remedy)


def _frames(
    place: Folder | Archive, name: str, id_: str, origin: str
) -> Iterator[Entry | Failure]:
    if name.lower().endswith(".db"):  # SQLite reads nothing but files
        with place.on_disk(name) as path:
            yield from frame_entries(path, Wanted(), id_, origin)
    else:
        yield from frame_entries(place.file(name), Wanted(), id_, origin)


def _structures(content: Path | Member, id_: str, origin: str) -> Iterator[Entry]:
    """Yield the structure of a file, or each data block of a CIF that has several."""
    pieces: list[Piece] = []
    if uncompressed(content.name).lower().endswith((".cif", ".mcif")):
        with suppress(StructureError):  # reading the entry says what is wrong
            pieces = list(read_pieces(_file(content, origin)))
    if len(pieces) < 2:
        yield Entry(id_, origin, content)
        return
    for piece in pieces:
        yield Entry(f"{id_}@{piece.name}", piece.origin, piece)


def _file(content: Path | Member, origin: str) -> Path | TextFile:
    if isinstance(content, Path):
        return content
    return TextFile.of(content.text().content, PurePosixPath(content.name).name, origin)
