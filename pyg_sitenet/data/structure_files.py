"""Structure files, read through pymatgen and ASE piece by piece and unchecked."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import lzma
import sqlite3
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ase.data import atomic_numbers
from ase.io import ParseError, iread
from ase.io.formats import UnknownFileTypeError
from pymatgen.core import Structure
from pymatgen.core.structure import StructureError as PymatgenStructureError
from pymatgen.io.vasp import Poscar

from pyg_sitenet.data.cif import read_cif_block, split_cif
from pyg_sitenet.data.structure_dict import structure_from_dict
from pyg_sitenet.errors import SiteNetWarning, StructureError

if TYPE_CHECKING:
    from ase import Atoms

_log = logging.getLogger(__name__)

# What the readers of pymatgen and ASE are known to raise on damaged files.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    ParseError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UnknownFileTypeError,
    UserWarning,
    ValueError,
    ImportError,
    PymatgenStructureError,
    lzma.LZMAError,
    sqlite3.Error,
    struct.error,
    zlib.error,
)
_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}


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
    _check_file(path)
    stem = path.name.lower()
    for ending in _DECOMPRESS:
        stem = stem.removesuffix(ending)
    if stem.endswith((".cif", ".mcif")):
        yield from _cif_pieces(path)
    elif stem.startswith(("poscar", "contcar")) or stem.endswith((".vasp", ".poscar")):
        yield Piece("0", str(path), partial(_read_poscar, path))
    else:
        yield from _frames(path)


@contextmanager
def reading(origin: str) -> Iterator[list[str]]:
    """Turn what third-party readers raise into an error that names the file.

    Yields:
        A list that fills with their warnings, which are logged and not shown.
    """
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield texts
        except StructureError:
            raise
        except _READER_ERRORS as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, KeyError):
                reason = f"unknown name {reason}"
            raise StructureError(
                f"{origin}: cannot be read, it is damaged, truncated or of another"
                f" format ({reason[:200]}); export it again"
            ) from error
        finally:
            ours = [w for w in caught if issubclass(w.category, SiteNetWarning)]
            theirs = [w for w in caught if w not in ours]
            texts.extend(" ".join(str(w.message).split()) for w in theirs)
    for text in texts:
        _log.info("%s: %s", origin, text)
    for warning in ours:
        warnings.warn(warning.message, stacklevel=3)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise StructureError(f"{path}: no such file")
    if path.is_dir():
        raise StructureError(f"{path}: a folder where a structure file is expected")
    if path.stat().st_size == 0:
        raise StructureError(f"{path}: the file is empty; export it again")


def _read_text(path: Path) -> str:
    decompress = _DECOMPRESS.get(path.suffix.lower(), bytes)
    with reading(str(path)):
        content = decompress(path.read_bytes())
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StructureError(
            f"{path}: not UTF-8 text (byte {error.start + 1}); save it as UTF-8"
        ) from error
    if not text.strip():
        raise StructureError(f"{path}: the file is empty; export it again")
    return text


def _cif_pieces(path: Path) -> Iterator[Piece]:
    blocks = split_cif(_read_text(path))
    if not blocks:
        raise StructureError(
            f"{path}: a CIF with no structure: no data block has atoms with fractional"
            " coordinates (_atom_site_fract_x)"
        )
    for name, text in blocks:
        origin = f"{path}, block {name}" if len(blocks) > 1 else str(path)
        yield Piece(name, origin, partial(_read_block, text, origin))


def _read_block(text: str, origin: str) -> Structure:
    with reading(origin):
        return read_cif_block(text, origin)


def _read_poscar(path: Path) -> Structure:
    text = _read_text(path)
    with reading(str(path)) as texts:
        structure = Poscar.from_str(text, read_velocities=False).structure
    if any("cannot be determined" in message for message in texts):
        raise StructureError(
            f"{path}: names no elements; write their symbols on the line above the"
            " numbers of atoms"
        )
    return structure


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
        values = json.loads(_read_text(path))
    if not isinstance(values, dict):
        raise StructureError(f"{path}: not the JSON of one structure")
    return structure_from_dict(values, str(path))
