"""CIF: its data blocks, and what pymatgen's reader passes over in silence."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from pymatgen.core import Composition, Element, Structure
from pymatgen.io.cif import CifParser

from pyg_sitenet.errors import SiteNetWarning, StructureError

_BLOCK = re.compile(r"data_(\S*)", re.IGNORECASE)
_LETTERS = re.compile(r"^[A-Za-z]{0,2}")

# Atomic fractions: more than the rounding of a formula, less than a missing atom.
_FORMULA_TOLERANCE = 2e-3


def split_cif(text: str) -> list[tuple[str, str]]:
    """Return name and text of each data block that lists atoms with coordinates."""
    return [
        (name, block)
        for name, block in _blocks(text)
        if "_atom_site_fract_x" in block.lower()
    ]


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    name, in_text = "", False
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(";"):
            in_text = not in_text  # multi-line values may hold anything
        header = None if in_text else _BLOCK.match(line)
        if header:
            yield name, "\n".join(lines)
            name, lines = header[1], []
        lines.append(line)
    yield name, "\n".join(lines)


def read_cif_block(text: str, origin: str) -> Structure:
    """Read the structure of one data block.

    Raises:
        StructureError: If it names unknown elements, has two atoms in one place, is
            disordered, or if its atoms contradict its chemical formula.
    """
    parser = CifParser.from_str(text)
    values = next(iter(parser.as_dict().values()))
    _check_symbols(values, origin)
    try:
        structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    except ValueError as error:
        if "exceeded tolerance" not in str(error):
            raise
        raise StructureError(
            f"{origin}: occupancies of one place add up to more than 1: two atoms on"
            " top of each other, or disorder; remove one or give an ordered approximant"
        ) from error
    if structure.is_ordered:
        _check_formula(structure, values, origin)
    return structure


def _check_symbols(values: Mapping[str, Any], origin: str) -> None:
    """Refuse atoms that the reader would leave out because it does not know them."""
    column = values.get("_atom_site_type_symbol", values.get("_atom_site_label", []))
    for symbol in column if isinstance(column, list) else [column]:
        letters = _LETTERS.findall(symbol)[0].capitalize()
        if not any(Element.is_valid_symbol(s) for s in (letters, letters[:1])):
            raise StructureError(
                f"{origin}: {symbol!r} is not a chemical element; replace dummy and"
                " unknown atoms by real ones"
            )


def _check_formula(
    structure: Structure, values: Mapping[str, Any], origin: str
) -> None:
    """Refuse a list of atoms that has been cut off; hydrogen is often left out."""
    try:
        stated = Composition(values["_chemical_formula_sum"])
    except (KeyError, ValueError, TypeError):
        return
    listed = structure.composition
    if _same_shares(_amounts(stated), _amounts(listed)):
        return
    message = (
        f"{origin}: lists {listed.hill_formula} but its _chemical_formula_sum is"
        f" {values['_chemical_formula_sum']}"
    )
    if not _same_shares(_amounts(stated, hydrogen=False), _amounts(listed)):
        raise StructureError(
            f"{message}: truncated, or atoms are missing; complete the atoms or correct"
            " the formula"
        )
    warnings.warn(f"{message}: used without hydrogen", SiteNetWarning, stacklevel=2)


def _amounts(composition: Composition, *, hydrogen: bool = True) -> dict[int, float]:
    """Return the amount of each atomic number: isotopes and ions are one element."""
    amounts: dict[int, float] = {}
    for specie, amount in composition.items():
        if hydrogen or specie.Z != 1:
            amounts[specie.Z] = amounts.get(specie.Z, 0) + amount
    return amounts


def _same_shares(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    total, other_total = sum(one.values()), sum(other.values())
    return one.keys() == other.keys() and all(
        abs(one[z] / total - other[z] / other_total) <= _FORMULA_TOLERANCE for z in one
    )
