"""Structure files, read through pymatgen and ASE piece by piece and unchecked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ase.data import atomic_numbers
from ase.io import iread
from ase.io.formats import UnknownFileTypeError
from pymatgen.core import Structure
from pymatgen.io.vasp import Poscar

from pyg_sitenet.data.structure.cif import read_cif_block, split_cif
from pyg_sitenet.data.structure.dictionary import structure_from_dict
from pyg_sitenet.data.structure.text import (
    check_file,
    read_text,
    reading,
    text_lines,
    uncompressed_name,
)
from pyg_sitenet.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms


_END_OF_RES = re.compile(r"^END\s*$", re.MULTILINE | re.IGNORECASE)
_SYMMETRY_OF_RES = re.compile(r"^(SYMM|LATT +(?!-1\b))", re.MULTILINE | re.IGNORECASE)


class Piece(NamedTuple):
    """One structure of a file: its name there, its origin, and how to read it."""

    name: str
    origin: str
    read: Callable[[], Structure | Atoms]


def read_pieces(path: Path) -> Iterator[Piece]:
    """Yield what a file holds without checking it; never nothing.

    Raises:
        StructureError: If the file is missing, empty, damaged or of no known format.
    """
    check_file(path)
    stem = uncompressed_name(path)
    if stem.endswith((".cif", ".mcif")):
        yield from cif_pieces(text_lines(path), str(path))
    elif stem.startswith(("poscar", "contcar")) or stem.endswith((".vasp", ".poscar")):
        yield Piece("0", str(path), partial(_read_poscar, path))
    else:
        _check_whole(path, stem)
        yield from _frames(path)


def cif_pieces(lines: Iterable[str], origin: str) -> Iterator[Piece]:
    """Yield each data block of a CIF that has atoms.

    Raises:
        StructureError: If there is none.
    """
    blocks = split_cif(lines)
    first = next(blocks, None)
    if first is None:
        raise StructureError(
            f"{origin}: a CIF with no structure: no data block has atoms with"
            " fractional coordinates (_atom_site_fract_x)"
        )
    second = next(blocks, None)
    if second is None:
        yield Piece(first[0], origin, partial(_read_block, first[1], origin))
        return
    for name, text in chain((first, second), blocks):
        where = f"{origin}, block {name}"
        yield Piece(name, where, partial(_read_block, text, where))


def _read_block(text: str, origin: str) -> Structure:
    with reading(origin):
        return read_cif_block(text, origin)


def _read_poscar(path: Path) -> Structure:
    text = read_text(path)
    _check_counts(text, str(path))
    with reading(str(path)) as texts:
        structure = Poscar.from_str(text, read_velocities=False).structure
    if any("cannot be determined" in message for message in texts):
        raise StructureError(
            f"{path}: names no elements; write their symbols on the line above the"
            " numbers of atoms"
        )
    return structure


def _check_counts(text: str, origin: str) -> None:
    """Refuse more atoms than lines before the reader makes room for them all."""
    lines = text.splitlines()
    for line in lines[5:7]:
        words = line.split()
        if words and all(word.isdecimal() for word in words):
            total = sum(int(word[:18]) for word in words)
            if total > len(lines):
                raise StructureError(
                    f"{origin}: damaged or truncated: says {total} atoms but has"
                    f" {len(lines)} lines; export it again"
                )
            return


def _check_whole(path: Path, stem: str) -> None:
    """Refuse what the readers of two formats take for a whole structure."""
    reason = ""
    if stem.endswith(".res"):
        text = read_text(path)
        if _SYMMETRY_OF_RES.search(text):
            reason = "has symmetry, which is not read from this format; export a CIF"
        elif not _END_OF_RES.search(text):
            reason = "truncated, it has no END; export it again"
    elif stem.endswith(".cssr"):
        _, _, count, _, *atoms = [*read_text(path).splitlines(), *[""] * 4]
        num_atoms = sum(bool(line.strip()) for line in atoms)
        if count.split()[:1] != [str(num_atoms)]:
            reason = f"lists {num_atoms} atoms but says {count!r}; export it again"
    if reason:
        raise StructureError(f"{path}: {reason}")


def _frames(path: Path) -> Iterator[Piece]:
    """Yield every frame that ASE reads, or the structure that only pymatgen reads."""
    origin = str(path)
    frames = iread(origin, index=":", do_not_split_by_at_sign=True)
    number = 0
    while True:
        with reading(origin if number == 0 else f"{origin}, frame {number}"):
            try:
                with _isotopes_known():
                    atoms = next(frames)
            except StopIteration:
                break
            except UnknownFileTypeError:
                atoms = None
        if atoms is None:
            yield Piece("0", origin, partial(_read_with_pymatgen, path))
            return
        yield Piece(str(number), f"{origin}, frame {number}", partial(_same, atoms))
        number += 1
    if number == 0:
        raise StructureError(f"{path}: holds no structure")


@contextmanager
def _isotopes_known() -> Iterator[None]:
    """Let ASE, which knows no symbols of isotopes, read deuterium as hydrogen."""
    added = {"D": 1, "T": 1}.items() - atomic_numbers.items()
    atomic_numbers.update(added)
    try:
        yield
    finally:
        for symbol, _ in added:
            del atomic_numbers[symbol]


def _same(atoms: Atoms) -> Atoms:
    return atoms


def _read_with_pymatgen(path: Path) -> Structure:
    if path.suffix.lower() == ".json":
        return _read_dictionary(path)
    with reading(str(path)):
        return Structure.from_file(path)


def _read_dictionary(path: Path) -> Structure:
    """Read pymatgen's JSON without importing the classes that it names."""
    with reading(str(path)):
        values = json.loads(read_text(path))
    if not isinstance(values, dict):
        raise StructureError(f"{path}: not the JSON of one structure")
    return structure_from_dict(values, str(path))
