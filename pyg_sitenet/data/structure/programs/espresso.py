"""Inputs and outputs of ``pw.x`` of Quantum ESPRESSO, read by ASE."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import partial

from ase import Atoms
from ase.io.espresso import read_espresso_in, read_espresso_out

from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.programs.espresso_species import with_symbols
from pyg_sitenet.data.structure.programs.sites import BOHR
from pyg_sitenet.errors import StructureError

_IBRAV = re.compile(r"^[^!\n]*\bibrav\s*=\s*(-?\d+)", re.MULTILINE | re.IGNORECASE)
_SLAB = re.compile(
    r"^[^!\n]*\bassume_isolated\s*=\s*['\"]?\s*(?!none\b)\w",
    re.MULTILINE | re.IGNORECASE,
)
# The length of the lattice vector in bohr or angstrom, and names of cards: ASE knows
# one spelling of the first and of the last, and not the second.
_SYSTEM = re.compile(
    r"^[ \t]*&system\b.*?^[ \t]*/", re.MULTILINE | re.IGNORECASE | re.DOTALL
)
_CELLDM = re.compile(
    r"^(.*?)\bcelldm\s*(?:\(\s*1\s*\))?\s*=", re.MULTILINE | re.IGNORECASE
)
_A = re.compile(r"^(.*?)(?<![\w%])A\s*=\s*([^\s,]+)", re.MULTILINE | re.IGNORECASE)
_LENGTH = re.compile(r"\bcelldm\(1\)=|(?<![\w%])A\s*=", re.IGNORECASE)
_REMARK = re.compile(r"[!#].*")
_EXPONENT = re.compile(r"(?<![\w.])([+-]?(?:\d+\.?\d*|\.\d+))[dD](?=[+-]?\d)")
_NAME_OF_CARD = re.compile(
    r"^[ \t]*(?:ATOMIC_\w+|CELL_PARAMETERS|K_POINTS|CONSTRAINTS|OCCUPATIONS)\b",
    re.MULTILINE | re.IGNORECASE,
)
# A unit in whichever brackets, as pw.x knows them; it takes others for one of these.
_CARD = re.compile(
    r"^[ \t]*(CELL_PARAMETERS|ATOMIC_POSITIONS)[ \t({]*(\w*)",
    re.MULTILINE | re.IGNORECASE,
)
_UNITS = {
    "CELL_PARAMETERS": ("", "alat", "bohr", "angstrom"),
    "ATOMIC_POSITIONS": ("", "alat", "bohr", "angstrom", "crystal"),
}
_GROUP = re.compile(r"^[^!\n]*\bspace_group\s*=", re.MULTILINE | re.IGNORECASE)
_NAT = re.compile(r"^[^!\n]*\bnat\s*=\s*(\d+)", re.MULTILINE | re.IGNORECASE)
_ATOM = re.compile(r"[ \t]*[A-Za-z][\w+-]*(?:[ \t]+[^\s!#]+){3}")


def read_pw_input(text: str, origin: str) -> Atoms:
    """Read an input whose cell is given as vectors.

    Raises:
        StructureError: If the cell is given by the number of a lattice, or if it is
            meant as a molecule or slab.
    """
    lattice = _IBRAV.search(text)
    if lattice and int(lattice[1][:9]) != 0:
        raise StructureError(
            f"{origin}: gives its cell as ibrav = {lattice[1][:9]}, which is not read;"
            " convert it to CIF, or use ibrav = 0 and CELL_PARAMETERS"
        )
    if _SLAB.search(text):
        raise StructureError(
            f"{origin}: a molecule or slab without periodicity (assume_isolated); give"
            " a crystal"
        )
    text = with_symbols(_as_ase_spells(text, origin), origin)
    _check_cards(text, origin)
    atoms = read_espresso_in(io.StringIO(text))
    if not isinstance(atoms, Atoms):
        raise StructureError(f"{origin}: holds no atoms")
    return atoms


def _as_ase_spells(text: str, origin: str) -> str:
    """Write cards in capitals without remarks, and the length of a vector as celldm(1).

    Of Fortran's exponents, ASE knows those of the cell alone.
    """
    text = _NAME_OF_CARD.sub(lambda card: card[0].upper(), text)
    first = _NAME_OF_CARD.search(text)
    if first:
        cards = _EXPONENT.sub(r"\1e", _REMARK.sub("", text[first.start() :]))
        text = text[: first.start()] + cards
    system = _SYSTEM.search(text)
    if system is None:
        return text
    settings = _CELLDM.sub(r"\1celldm(1)=", _REMARK.sub("", system[0]))
    units = {card[1]: card[2].lower() for card in _CARD.finditer(text)}
    if units.get("CELL_PARAMETERS", "") in ("", "alat"):
        settings = _in_bohr(settings, origin)
    elif units.get("ATOMIC_POSITIONS") in ("", "alat") and _LENGTH.search(settings):
        raise StructureError(
            f"{origin}: gives positions in alat, and the cell in another unit beside"
            " the length of its vector; give the positions in angstrom or crystal"
        )
    else:  # the vectors are the cell, and ASE takes no length beside them
        settings = settings.replace("celldm(1)=", "celldm(7)=")
    return text[: system.start()] + settings + text[system.end() :]


def _in_bohr(settings: str, origin: str) -> str:
    """Write the length of the lattice vector in bohr where it is in angstrom."""
    length = _A.search(settings)
    if length is None:
        return settings
    if _CELLDM.search(settings):
        raise StructureError(
            f"{origin}: gives both celldm(1) and A, expected one of them; remove one"
        )
    try:
        bohr = float(length[2].lower().replace("d", "e")) / BOHR
    except ValueError as error:
        raise StructureError(
            f"{origin}: A is {length[2]!r:.40}, expected a number of angstrom; correct"
            " it"
        ) from error
    before, after = settings[: length.start()], settings[length.end() :]
    return f"{before}{length[1]}celldm(1)={bohr!r}{after}"


def _check_cards(text: str, origin: str) -> None:
    """Refuse units and numbers of atoms that ASE's reader takes for others."""
    if _GROUP.search(text):
        raise StructureError(
            f"{origin}: lists the atoms of a space group, whose symmetry is not read;"
            " convert it to CIF"
        )
    for card in _CARD.finditer(text):
        name, unit = card[1].upper(), card[2].lower()
        if unit not in _UNITS[name]:
            raise StructureError(
                f"{origin}: unknown unit {unit[:20]!r} of {name}, expected"
                f" {' or '.join(filter(None, _UNITS[name]))}; convert it to CIF"
            )
        stated = _NAT.search(text)
        if name == "ATOMIC_POSITIONS" and stated:
            rows = _rows_of_atoms(text[card.end() :])
            if rows != int(stated[1][:9]):
                raise StructureError(
                    f"{origin}: lists {rows} atoms but states nat = {stated[1][:9]};"
                    " correct one of them"
                )


def _rows_of_atoms(text: str) -> int:
    """Return how many atoms follow, up to the next card."""
    count = 0
    for line in text.split("\n")[1:]:
        bare = line.split("!")[0].split("#")[0].strip()
        if bare and not _ATOM.match(bare):
            break
        count += bool(bare)
    return count


def read_pw_output(text: str, origin: str) -> Iterator[Piece]:
    """Yield the structures of an output that have results.

    Raises:
        StructureError: If it does not tell which element a species is.
    """
    text = with_symbols(text, origin)
    frames = read_espresso_out(io.StringIO(text), slice(None))
    for number, atoms in enumerate(frames):
        yield Piece(str(number), f"{origin}, frame {number}", partial(_same, atoms))


def _same(atoms: Atoms) -> Atoms:
    return atoms
