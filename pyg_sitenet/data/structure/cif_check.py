"""Whether a CIF means what its reader makes of it: values, symmetry, formula."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymatgen.core import Composition, Element, Structure, SymmOp

from pyg_sitenet.data.structure.check import MAX_COORDINATE, MAX_LENGTH
from pyg_sitenet.errors import SiteNetWarning, StructureError

Values = Mapping[str, Any]

# Atomic fractions: more than the rounding of a formula, less than a missing atom.
_FORMULA_TOLERANCE = 2e-3
# Share of a squared length: more than rounding, less than another crystal system.
_METRIC_TOLERANCE = 0.02

_LETTERS = re.compile(r"^[A-Za-z]*")
_WATER = {"Wat", "Ow", "Hw"}
_CRYSTAL_SYSTEM = ("_symmetry_cell_setting", "_space_group_crystal_system")
_SPACE_GROUP = {
    "_symmetry_space_group_name_H-M",
    "_space_group_name_H-M_alt",
    "_space_group_name_Hall",
    "_space_group_IT_number",
    "_symmetry_Int_Tables_number",
}


def check_values(values: Values, origin: str) -> None:
    """Refuse values that the reader would guess, leave out or take for others.

    Args:
        values: Names and values of a data block.
        origin: File that messages begin with.

    Raises:
        StructureError: If the cell, a coordinate or an occupancy is no proper number,
            or if an atom is no element.
    """
    _check_cell(values, origin)
    _check_symbols(values, origin)
    names = _column(values, "_atom_site_label") or _column(
        values, "_atom_site_type_symbol"
    )
    for axis in "xyz":
        key = f"_atom_site_fract_{axis}"
        for row, text in enumerate(_column(values, key)):
            if not abs(_number(text)) < MAX_COORDINATE:
                where = f"{key} of atom {row + 1} ({''.join(names[row : row + 1])})"
                raise StructureError(
                    f"{origin}: {where} is {text!r}, not a finite number that can be"
                    " meant; correct or remove the atom"
                )
    _check_occupancies(values, names, origin)


def check_symmetry(
    structure: Structure, operations: Sequence[SymmOp], values: Values, origin: str
) -> None:
    """Refuse a cell that does not have the symmetry its atoms were multiplied by.

    Args:
        structure: What was read.
        operations: The symmetry that was used, in fractional coordinates.
        values: Names and values of the data block.
        origin: File that messages begin with.

    Raises:
        StructureError: If the symmetry contradicts the cell or is not known.
    """
    _check_space_group(operations, values, origin)
    metric = structure.lattice.metric_tensor
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    for operation in operations:
        turn = operation.rotation_matrix
        if np.abs((turn.T @ metric @ turn - metric) / scale).max() > _METRIC_TOLERANCE:
            sizes = " ".join(f"{size:.5g}" for size in structure.lattice.parameters)
            raise StructureError(
                f"{origin}: its symmetry ({operation.as_xyz_str()}) does not fit its"
                f" cell ({sizes}); correct one of them"
            )


def check_formula(structure: Structure, values: Values, origin: str) -> None:
    """Refuse a list of atoms that has been cut off; hydrogen is often left out.

    Raises:
        StructureError: If the atoms contradict ``_chemical_formula_sum``.
    """
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
    warnings.warn(f"{message}: used without hydrogen", SiteNetWarning, stacklevel=3)


def _check_cell(values: Values, origin: str) -> None:
    keys = [f"_cell_length_{one}" for one in "abc"]
    keys += [f"_cell_angle_{one}" for one in ("alpha", "beta", "gamma")]
    has_system = any(key in values for key in _CRYSTAL_SYSTEM)
    for key in keys:
        if key not in values and has_system:
            return  # the reader completes the cell by it
        if key not in values:
            raise StructureError(f"{origin}: no {key}; a crystal needs its cell")
        limit = 180 if "angle" in key else MAX_LENGTH
        if not 0 < _number(values[key]) < limit:
            raise StructureError(
                f"{origin}: {key} is {values[key]!r}, not a number between 0 and"
                f" {limit:g}; correct the cell"
            )
    angles = np.deg2rad([_number(values[key]) for key in keys[3:]])
    x, y, z = np.cos(angles)
    if not 1 + 2 * x * y * z - x * x - y * y - z * z > 1e-9:
        text = " ".join(str(values[key]) for key in keys[3:])
        raise StructureError(
            f"{origin}: the cell has no volume with the angles {text}; correct them"
        )


def _check_space_group(
    operations: Sequence[SymmOp], values: Values, origin: str
) -> None:
    """Refuse a space group that the reader does not know and takes for P 1."""
    if len(operations) > 1 or any("xyz" in key for key in values):
        return
    stated = ["".join(str(values[key]).split()) for key in _SPACE_GROUP & values.keys()]
    stated = [one for one in stated if one not in ("?", ".")]
    if stated and not {"1", "P1"} & set(stated):
        raise StructureError(
            f"{origin}: the space group {stated[0]} is not known and no symmetry"
            " operations are given; export it with its operations or in P 1"
        )


def _check_symbols(values: Values, origin: str) -> None:
    """Refuse atoms that the reader does not know, or takes for others (Vac for V)."""
    typed = _column(values, "_atom_site_type_symbol")
    for symbol in typed or _column(values, "_atom_site_label"):
        letters = _LETTERS.findall(symbol)[0]
        options = {letters} if typed else {letters[:2], letters[:1]}
        known = any(Element.is_valid_symbol(one.capitalize()) for one in options)
        vacant = letters.lower().startswith("vac")
        if vacant or not (known or letters in _WATER):
            raise StructureError(
                f"{origin}: {symbol!r} is not a chemical element; replace dummy and"
                " unknown atoms by real ones"
            )


def _check_occupancies(values: Values, names: Sequence[str], origin: str) -> None:
    key = "_atom_site_occupancy"
    for row, text in enumerate(_column(values, key)):
        name = "".join(names[row : row + 1])
        if text.strip() != "?" and not 0 <= _number(text) < math.inf:
            raise StructureError(
                f"{origin}: {key} of atom {row + 1} ({name}) is {text!r}; write 1"
                " where a site is full"
            )
        if _number(text) == 0:
            message = f"{origin}: atom {row + 1} ({name}) has no occupancy: left out"
            warnings.warn(message, SiteNetWarning, stacklevel=4)


def _column(values: Values, key: str) -> list[str]:
    column = values.get(key, [])
    return column if isinstance(column, list) else [column]


def _number(text: object) -> float:
    """Read a number without its uncertainty in brackets; nan if it is none."""
    try:
        return float(str(text).split("(")[0])
    except ValueError:
        return math.nan


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
