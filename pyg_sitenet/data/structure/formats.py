"""The formats that are read, and those that are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from posixpath import basename, splitext
from typing import TYPE_CHECKING

from pymatgen.core import Structure

from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.cif import read_cif_block, split_cif
from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.dictionary import structure_from_dict
from pyg_sitenet.data.structure.optimade import optimade_entries
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.plain_data import json_values, yaml_values
from pyg_sitenet.data.structure.programs.aims import read_aims
from pyg_sitenet.data.structure.programs.castep import read_cell
from pyg_sitenet.data.structure.programs.database import (
    is_json_database,
    read_database,
    read_json_database,
)
from pyg_sitenet.data.structure.programs.espresso import read_pw_input, read_pw_output
from pyg_sitenet.data.structure.programs.extended_xyz import read_extended_xyz
from pyg_sitenet.data.structure.programs.lammps import read_dump
from pyg_sitenet.data.structure.programs.trajectory import read_trajectory
from pyg_sitenet.data.structure.programs.vasp import read_poscar, read_xdatcar
from pyg_sitenet.data.structure.programs.xsf import read_xsf
from pyg_sitenet.data.structure.refused import PACKED_ENDINGS, refusal
from pyg_sitenet.data.structure.text import TextFile, bounded, check_file
from pyg_sitenet.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

Pieces = Callable[[TextFile], Iterator[Piece]]


@dataclass(frozen=True)
class FileFormat:
    """A format that is read.

    Args:
        title: Its name.
        pieces: Reads the structures of a file.
        endings: Of the names of its files, in lower case.
        names: What the names of its files begin with, in lower case.
        is_multiple: Whether a file may hold several structures with values of their
            own, as trajectories do.
        in_folders: Whether such files are looked for in folders.
        is_binary: Whether it cannot be compressed.
    """

    title: str
    pieces: Pieces
    endings: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_multiple: bool = False
    in_folders: bool = True
    is_binary: bool = False


def cif_pieces(lines: Iterable[str], origin: str) -> Iterator[Piece]:
    """Yield each data block of a CIF that has atoms.

    Raises:
        StructureError: If there is none.
    """
    blocks = split_cif(bounded(lines, origin, "data_"))
    first = next(blocks, None)
    if first is None:
        raise StructureError(
            f"{origin}: a CIF with no structure: no data block has atoms with"
            " fractional coordinates (_atom_site_fract_x)"
        )
    second = next(blocks, None)
    if second is None:
        yield Piece(first[0], origin, partial(read_cif_block, first[1], origin))
        return
    for name, text in chain((first, second), blocks):
        where = f"{origin}, block {name}"
        yield Piece(name, where, partial(read_cif_block, text, where))


def _of_text(read: Callable[[str, str], Structure | Atoms]) -> Pieces:
    """Read one structure from the text of a file."""
    return lambda file: iter([Piece("0", file.name, partial(_read_text, file, read))])


def _read_text(
    file: TextFile, read: Callable[[str, str], Structure | Atoms]
) -> Structure | Atoms:
    return read(file.text(), file.name)


def _of_lines(read: Callable[[Iterable[str], str], Iterator[Piece]]) -> Pieces:
    """Read many structures from the lines of a file."""
    return lambda file: read(file.lines(None), file.name)


def _of_json(file: TextFile) -> Iterator[Piece]:
    values = json_values(file.text(), file.name)
    if is_json_database(values):
        yield from read_json_database(values, file.name)
        return
    for number, entry in enumerate(optimade_entries(values) or [values]):
        structure = partial(structure_from_dict, entry, file.name)
        yield Piece(str(number), file.name, structure)


def _of_yaml(text: str, origin: str) -> Structure:
    return structure_from_dict(yaml_values(text, origin), origin)


def _of_output(file: TextFile) -> Iterator[Piece]:
    return read_pw_output(file.text(), file.name)


# A format is here only if it states a whole periodic crystal, with elements and units.
FORMATS = (
    FileFormat("CIF", _of_lines(cif_pieces), (".cif", ".mcif")),
    FileFormat(
        "POSCAR",
        _of_text(read_poscar),
        (".vasp", ".poscar", ".contcar"),
        ("poscar", "contcar"),
    ),
    FileFormat(
        "XDATCAR",
        _of_lines(read_xdatcar),
        (".xdatcar",),
        ("xdatcar",),
        is_multiple=True,
    ),
    FileFormat(
        "extended XYZ",
        _of_lines(read_extended_xyz),
        (".extxyz", ".xyz"),
        is_multiple=True,
    ),
    FileFormat(
        "ASE trajectory", read_trajectory, (".traj",), is_multiple=True, is_binary=True
    ),
    FileFormat(
        "ASE database", read_database, (".db",), is_multiple=True, is_binary=True
    ),
    FileFormat("JSON dictionary", _of_json, (".json",), in_folders=False),
    FileFormat("JSON dictionary", _of_json, (".mson",)),
    FileFormat(
        "YAML dictionary", _of_text(_of_yaml), (".yaml", ".yml"), in_folders=False
    ),
    FileFormat("CASTEP", _of_text(read_cell), (".cell",)),
    FileFormat("XSF", _of_lines(read_xsf), (".xsf",)),
    FileFormat("FHI-aims", _of_text(read_aims), (), ("geometry.in",)),
    FileFormat("Quantum ESPRESSO input", _of_text(read_pw_input), (".pwi",)),
    FileFormat("Quantum ESPRESSO output", _of_output, (".pwo",), is_multiple=True),
    FileFormat(
        "LAMMPS dump",
        _of_lines(read_dump),
        (".lammpstrj", ".lammpsdump"),
        is_multiple=True,
    ),
)

_BY_ENDING = {ending: entry for entry in FORMATS for ending in entry.endings}
ENDINGS = frozenset(
    ending for entry in FORMATS if entry.in_folders for ending in entry.endings
)
_BY_NAME = {name: entry for entry in FORMATS for name in entry.names}


def format_of(file_name: str) -> FileFormat | None:
    """Return the format that the name of a file tells, under any compression."""
    name = basename(uncompressed(file_name).replace("\\", "/")).lower()
    ending = splitext(name)[1]
    if ending in PACKED_ENDINGS:
        return None
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    begins = (entry for start, entry in _BY_NAME.items() if name.startswith(start))
    return next(begins, None)


def read_pieces(source: Path | TextFile) -> Iterator[Piece]:
    """Yield what a file holds without checking it; never nothing.

    Args:
        source: Where the file is, or its content.

    Raises:
        StructureError: If the file is missing, empty, damaged or of no format that is
            read.
    """
    if isinstance(source, Path):
        check_file(source)
        source = TextFile.at(source)
    file_name = source.file_name or source.name
    entry = format_of(file_name)
    if entry is None:
        raise refusal(source.name, file_name, [kind.title for kind in FORMATS])
    if entry.is_binary and uncompressed(file_name) != file_name:
        raise StructureError(
            f"{source.name}: a compressed {entry.title} is not read; unpack it"
        )
    return _Guarded(entry.pieces(source), source.name)


class _Guarded(Iterator[Piece]):
    """Pieces whose readers raise nothing but errors that name the crystal."""

    def __init__(self, pieces: Iterator[Piece], origin: str) -> None:
        self._pieces, self._origin = pieces, origin
        self._count = 0

    def __next__(self) -> Piece:
        try:
            with reading(self._origin):
                piece = next(self._pieces, None)
        except StructureError:
            self._count = -1
            raise
        if piece is not None:
            self._count += 1
            return piece
        if self._count == 0:
            self._count = -1
            raise StructureError(f"{self._origin}: holds no structure")
        raise StopIteration
