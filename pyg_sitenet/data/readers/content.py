"""What a file, a frame or a table's cell holds, as a checked structure."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias, Union
from zipfile import ZipFile

from pymatgen.core import Structure

from pyg_sitenet.data.readers.cells import is_gap
from pyg_sitenet.data.structure.border import enough_memory, reading
from pyg_sitenet.data.structure.compression import READ_ERRORS
from pyg_sitenet.data.structure.dictionary import is_structure_dict, structure_from_dict
from pyg_sitenet.data.structure.formats import format_of
from pyg_sitenet.data.structure.load import check_structure, load_file, load_structure
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.plain_data import DuplicateKeyError, plain_json
from pyg_sitenet.data.structure.text import MAX_VALUE_BYTES, TextFile
from pyg_sitenet.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms


_PRINTED = re.compile(r"\s*(?:Full Formula \(|Structure Summary|\w*Atoms\(symbols=)")
_MAX_LITERAL = 1 << 20
_CELL_OF_CIF = re.compile(r"^\s*_cell[_.]length_a\b", re.IGNORECASE | re.MULTILINE)
_FEWEST_LINES = 6  # of a file in one line, which no path looks like


@dataclass(frozen=True, slots=True)
class Text:
    """The content of a structure file that is not on disk.

    Args:
        content: Bytes of the file.
        file_name: Name that tells its format, such as ``a.cif`` or ``POSCAR``.
        path: Of the file that it is a copy of, for messages; by default they name the
            origin of the crystal.
    """

    content: bytes
    file_name: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A structure file in a zip archive, read where and when it is needed.

    Args:
        archive: Where the archive is.
        name: Of the file in it.
    """

    archive: Path
    name: str

    @property
    def origin(self) -> str:
        """What it is called in messages."""
        return f"{self.archive}/{self.name}"

    def text(self) -> Text:
        """Read the file.

        Raises:
            StructureError: If it is damaged, or more than a file of structures.
        """
        try:
            with (
                enough_memory(self.origin, StructureError),
                _opened(self.archive, os.getpid()).open(self.name) as file,
            ):
                content = file.read(MAX_VALUE_BYTES + 1)
        except READ_ERRORS as error:
            raise StructureError(f"{self.origin}: damaged: {error}") from error
        if len(content) > MAX_VALUE_BYTES:
            raise StructureError(
                f"{self.origin}: more than {MAX_VALUE_BYTES} bytes, which is too large "
                "for an archive; unpack it"
            )
        return Text(content, self.name, self.origin)


@lru_cache(maxsize=4)
def _opened(path: Path, process: int) -> ZipFile:
    """Open an archive, once in each process: a copy would share its place in it."""
    del process
    return ZipFile(path)


Content: TypeAlias = Union[
    Path, Piece, Text, Member, Structure, "Atoms", Mapping[str, Any]
]


def read_content(content: Content, origin: str) -> Structure:
    """Turn what a source holds into a checked structure, which may be disordered.

    Args:
        content: A path, a piece of a file, text, or a structure as an object or a
            dictionary.
        origin: Where it comes from, for messages.

    Raises:
        StructureError: If it is no structure or one that cannot be used.
    """
    if isinstance(content, Path):
        return load_structure(content, disordered=True)
    if isinstance(content, Member):
        content = content.text()
    if isinstance(content, Text):
        name = PurePosixPath(content.file_name).name
        file = TextFile.of(content.content, name, content.path or origin)
        return load_file(file, disordered=True)
    with reading(origin):
        return _checked(content, origin)


def _checked(
    content: Piece | Structure | Atoms | Mapping[str, Any], origin: str
) -> Structure:
    if isinstance(content, Mapping):
        structure = structure_from_dict(content, origin)
        return check_structure(structure, origin, disordered=True)
    held = content.read() if isinstance(content, Piece) else content
    if isinstance(held, Structure):
        return check_structure(held, origin, disordered=True)
    try:
        return load_structure(held, disordered=True)
    except StructureError as error:
        raise StructureError(f"{origin}: {error}") from error


def _dictionary(text: str) -> object:
    """Return the value of JSON, or of a dictionary as Python prints it.

    Raises:
        StructureError: If it is neither.
    """
    try:
        return plain_json(text)
    except DuplicateKeyError as error:
        raise StructureError(str(error)) from error
    except (ValueError, RecursionError):
        pass
    try:
        # Reads literals and runs nothing; its memory grows with the text.
        return ast.literal_eval(text[:_MAX_LITERAL])
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise StructureError(
            "no JSON, nor a dictionary of plain values as Python prints it; write "
            "json.dumps(structure.as_dict()) into the table"
        ) from error


def is_printed(cell: str) -> bool:
    """Tell whether a text is what Python prints of a structure, without its digits."""
    return _PRINTED.match(cell) is not None


def is_structure_text(cell: str) -> bool:
    """Tell whether a cell holds a structure rather than the name of a file."""
    text = cell.strip()
    return "\n" in text or text.startswith("{") or is_printed(text) or _is_escaped(text)


def holds_structure(cell: object) -> bool:
    """Tell whether a cell holds a structure: as a text, or as a dictionary of one."""
    if isinstance(cell, str) and is_structure_text(cell):
        try:
            cell = content_of_cell(cell)
        except StructureError:  # reading it says what is wrong
            return True
    if isinstance(cell, Mapping):
        return is_structure_dict(cell)
    return isinstance(cell, Text)


def is_structure_cell(cell: object) -> bool:
    """Tell whether a cell evidently holds a structure or names a structure file."""
    if not isinstance(cell, str):
        return isinstance(cell, Mapping)
    return is_structure_text(cell) or format_of(cell.strip()) is not None


def sample(cell: object) -> list[str]:
    """Return a known cell, without its text if it is evidently a structure or file."""
    if is_gap(cell):
        return []
    return ["" if is_structure_cell(cell) else str(cell).strip()]


def _is_escaped(text: str) -> bool:
    r"""Tell whether the lines of a file end with ``\n`` as two characters."""
    return "\n" not in text and text.count("\\n") >= _FEWEST_LINES


def content_of_cell(cell: str) -> Text | Mapping[str, Any] | None:
    """Tell what the text in a table's cell is: a dictionary, a file's text or neither.

    A cell of one line that is no JSON can only be a path: that is for the caller.

    Raises:
        StructureError: If it is what Python prints of a structure.
    """
    text = cell.strip()
    if is_printed(text):
        kind = "ASE atoms" if "Atoms(" in text[:20] else "a pymatgen structure"
        raise StructureError(
            f"the printed form of {kind}, which has lost its digits; write the text of"
            ' a CIF, as of structure.to(fmt="cif"), or structure.to_json() into the'
            " table"
        )
    if text.startswith("{"):
        values = _dictionary(text)
        return values if isinstance(values, dict) else None
    if _is_escaped(text):
        cell = cell.replace("\\r", "").replace("\\n", "\n").replace("\\t", " ")
    elif "\n" not in text:
        return None
    return Text(cell.encode(), _file_name(cell.strip()))


def _file_name(text: str) -> str:
    """Return a name with the ending of the format that a file's text is in."""
    if _CELL_OF_CIF.search(text) or text.startswith(("data_", "#", "loop_")):
        return "structure.cif"
    title = text.partition("\n")[2].partition("\n")[0]
    return "structure.xyz" if "lattice=" in title.lower() else "POSCAR"
