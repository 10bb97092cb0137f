"""One file with one or many structures: a CIF, a trajectory, an ASE database."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from posixpath import basename
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pyg_sitenet.data.readers.content import Content
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.files.file_names import id_of_file, is_structure_file
from pyg_sitenet.data.readers.targets import TargetError
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure, remedy_of
from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.formats import read_pieces
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import SiteNetWarning, StructureError

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Structure

ID_KEYS = ("id", "material_id", "identifier")

UnitsOf: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, str]]

_REPAIR = "repair the file"
_REPAIR_END = f"{_REPAIR}; what comes after this is not read"


@dataclass(frozen=True)
class Frame:
    """A structure of a file with the numbers and names that it carries."""

    name: str
    origin: str
    content: Content
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def frame_entries(
    file: Path | TextFile,
    wanted: Wanted,
    stem: str = "",
    origin: str = "",
    units_of: UnitsOf | None = None,
) -> Iterator[Entry | Failure]:
    """Yield each structure of a file; the one of a file is named after it.

    Args:
        file: Its path, or what it is read from.
        wanted: What to take of each frame.
        stem: What ids begin with. (default: the name of the file without its ending)
        origin: What the file is called in messages. (default: its path)
        units_of: Returns the unit of each value of a frame that states one.
            (default: none does)
    """
    path = file.name if isinstance(file, TextFile) else str(file)
    stem, origin = stem or id_of_file(basename(path)), origin or path
    held: Frame | None = None
    count, problem = 0, None
    try:
        for frame in read_frames(file):
            if held is not None:
                yield _entry(held, f"{stem}@{held.name}", wanted, units_of)
            here = frame.origin.replace(path, origin)
            held, count = replace(frame, origin=here), count + 1
    except StructureError as error:
        reason = str(error).replace(path, origin)
        problem = (
            Failure(origin, stem, "read", reason, remedy_of(reason, _REPAIR))
            if held is None
            else Failure(origin, f"{stem}@{count}", "read", reason, _REPAIR_END)
        )
    if held is not None:
        alone = count == 1 and problem is None
        name = stem if alone else f"{stem}@{held.name}"
        yield _entry(held, name, wanted, units_of)
    if problem is not None:
        yield problem


def is_database(path: Path) -> bool:
    """Tell whether a file is an ASE database (SQLite or JSON)."""
    if not path.is_file():  # opening a pipe would wait for its other end
        return False
    try:
        with path.open("rb") as file:
            start = file.read(16)
            file.seek(max(0, path.stat().st_size - 1024**2))
            end = file.read()
    except OSError:
        return False
    is_json = path.suffix == ".json" and b'"ids":' in end and b'"nextid":' in end
    return start == b"SQLite format 3\0" or is_json


def _entry(
    frame: Frame,
    default: str,
    wanted: Wanted,
    units_of: UnitsOf | None,
) -> Entry | Failure:
    names = [frame.values[key] for key in ID_KEYS if frame.values.get(key) is not None]
    entry = Entry(str(names[0]) if names else default, frame.origin, frame.content)
    if frame.problem:
        return entry.fail(frame.problem, "repair or remove this structure", "read")
    try:
        stated = units_of(frame.values) if units_of else {}
        values = wanted.values(frame.values, stated)
        group = wanted.group_of(frame.values)
    except TargetError as error:
        return entry.fail(str(error), "correct that value or remove the frame")
    return replace(entry, targets=values, group=group)


def read_frames(file: Path | TextFile) -> Iterator[Frame]:
    """Yield the structures of a file with what they carry.

    Raises:
        StructureError: If the file, or what comes next in it, cannot be read.
    """
    is_single = is_structure_file(basename(str(getattr(file, "file_name", file))))
    for piece in read_pieces(file):
        if is_single:
            yield Frame(piece.name, piece.origin, piece)
        else:
            yield _frame(piece)


def _frame(piece: Piece) -> Frame:
    """Read a frame with its values; one that cannot be read says so as an entry."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SiteNetWarning)
            with reading(piece.origin):
                content = piece.read()
                values = getattr(content, "info", {}) | _results(content)
    except StructureError as error:
        return Frame(piece.name, piece.origin, piece, problem=str(error))
    texts = tuple(str(warning.message) for warning in caught)
    again = piece._replace(read=partial(_warned, content, texts)) if texts else content
    return Frame(piece.name, piece.origin, again, _plain(values))


def _warned(content: Structure | Atoms, texts: tuple[str, ...]) -> Structure | Atoms:
    """Return a frame that was read, and say again what was said of it."""
    for text in texts:
        warnings.warn(text, SiteNetWarning, stacklevel=2)
    return content


def _results(content: Structure | Atoms) -> dict[str, Any]:
    """Return what a calculation left on the atoms, such as the energy."""
    results: dict[str, Any] = getattr(getattr(content, "calc", None), "results", {})
    return dict(results)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    plain = (str, int, float, np.number, np.bool_)
    return {name: value for name, value in values.items() if isinstance(value, plain)}
