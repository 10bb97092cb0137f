"""Formula and Z of a CIF, compared with the crystal that was made of it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping

from pymatgen.core import Composition, DummySpecies, Element, Structure

from pyg_sitenet.data.structure.cif.stated.capitals import proper_formulas
from pyg_sitenet.data.structure.cif.values import Values, number
from pyg_sitenet.errors import SiteNetWarning, StructureError

# Atomic fractions: more than the rounding of a formula, less than a missing atom; of
# disordered crystals, whose formulas are rounded and often those of an analysis, more.
_FORMULA_TOLERANCE = 2e-3
_DISORDERED_TOLERANCE = 2e-2
# Share of the number of atoms.
_COUNT_TOLERANCE = 0.05

_FORMULA = "_chemical_formula_sum"
_PART = re.compile(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+|)\s*")

Amounts = dict[int, float]


def formula_elements(values: Values) -> list[frozenset[str]]:
    """Return the sets of elements that ``_chemical_formula_sum`` may mean, if any."""
    readings = _read_formulas(values)
    sets = (frozenset(Element.from_Z(z).symbol for z in part) for part in readings)
    return list(dict.fromkeys(sets))


def read_formula(values: Values, structure: Structure) -> Amounts:
    """Return the amounts of atomic numbers in ``_chemical_formula_sum``; may be empty.

    Isotopes and ions count as their element. Of several formulas, or of one in capitals
    which may mean several, it is the one nearest to the atoms.
    """
    return _nearest(_read_formulas(values), _amounts(structure.composition))


def numbers_of_formulas(values: Values) -> list[int]:
    """Return ``_cell_formula_units_Z``, more than one if a loop gives several."""
    found = dict.fromkeys(map(number, values.known("_cell_formula_units_z")))
    return [int(z) for z in found if 0 < z < math.inf and z == int(z)]


def _nearest(readings: list[Amounts], listed: Amounts) -> Amounts:
    return min(readings, key=lambda stated: _apart(stated, listed), default={})


def _read_formulas(values: Values) -> list[Amounts]:
    return [amounts for text in values.known(_FORMULA) for amounts in _readings(text)]


def _readings(text: str) -> list[Amounts]:
    return [amounts for part in proper_formulas(text) if (amounts := _read(part))]


def _read(text: str) -> Amounts:
    """Return the amounts in a formula, none if it names what is no element."""
    parts = _PART.findall(text)
    if text and "".join(_PART.sub("", text).split()) == "":
        pairs = [(symbol, float(amount or 1)) for symbol, amount in parts]
        if all(Element.is_valid_symbol(symbol) for symbol, _ in pairs):
            amounts: Amounts = {}
            for symbol, amount in pairs:
                z = Element(symbol).Z
                amounts[z] = amounts.get(z, 0) + amount
            return {z: amount for z, amount in amounts.items() if amount}
    try:
        composition = Composition(text)
    except (ValueError, TypeError):
        return {}
    is_real = not any(isinstance(specie, DummySpecies) for specie in composition)
    return _amounts(composition) if is_real else {}


def check_formula(structure: Structure, values: Values, hydrogens: float) -> None:
    """Refuse atoms that are not those of the formula; hydrogen is often left out.

    Args:
        structure: What was made.
        values: Names and values of the data block.
        hydrogens: Number of hydrogen atoms of the cell that have no position.

    Raises:
        StructureError: If the atoms contradict the formula, or their number Z.
    """
    numbers, origin = numbers_of_formulas(values), values.origin
    for text in values.known(_FORMULA) or [""]:
        _check_text(text, structure, numbers, hydrogens, origin)


def _check_text(
    text: str, structure: Structure, numbers: list[int], hydrogens: float, origin: str
) -> None:
    """Compare one formula, or the number of formulas if there is none."""
    listed = _amounts(structure.composition)
    stated = _nearest(_readings(text), listed)
    is_ordered = structure.is_ordered
    message = (
        f"{origin}: {'' if is_ordered else 'disordered, '}lists"
        f" {structure.composition.hill_formula} but its {_FORMULA} is {text}"
    )
    tolerance = _FORMULA_TOLERANCE if is_ordered else _DISORDERED_TOLERANCE
    is_same = not stated or _same_shares(stated, listed, tolerance)
    without = _heavy(stated)
    is_part = not is_ordered and _share_of_hydrogen(listed) < _share_of_hydrogen(stated)
    rest = _heavy(listed) if is_part else listed
    if not is_same and not _same_shares(without, rest, tolerance):
        raise StructureError(
            f"{message}: truncated, or atoms are missing; complete the atoms or correct"
            " the formula"
        )
    if not is_same:
        message = f"{message}: used without hydrogen"
        warnings.warn(message, SiteNetWarning, stacklevel=5)
    elif hydrogens:
        warnings.warn(
            f"{origin}: {hydrogens:g} hydrogen atoms have no position: used without"
            " them",
            SiteNetWarning,
            stacklevel=5,
        )
    pair = (stated, listed) if is_same else (without, rest)
    for z in numbers:
        _check_number(*pair, z, text, is_ordered, origin)


def _check_number(
    stated: Amounts, listed: Amounts, z: int, text: str, is_ordered: bool, origin: str
) -> None:
    """Compare the number of atoms with Z formulas, or with Z parts of one."""
    count, unit = sum(listed.values()), sum(stated.values())
    if not stated:
        is_divided = all(amount % z < 1e-3 for amount in listed.values())
        fits = not is_ordered or is_divided
        shown = f"Z = {z:g}"
    else:
        fits = abs(count - z * unit) <= _COUNT_TOLERANCE * z * unit
        fits = fits or _is_whole_cell(stated, count, z)
        shown = f"Z = {z:g} formulas {text} of {unit:g} atoms"
    if not fits:
        raise StructureError(
            f"{origin}: lists {count:.4g} atoms in its cell but states {shown}; correct"
            " the symmetry, the atoms or Z"
        )


def _is_whole_cell(stated: Amounts, count: float, z: int) -> bool:
    """Tell whether a formula is that of the cell, as pymatgen writes it beside Z."""
    whole = [round(amount) for amount in stated.values()]
    pairs = zip(whole, stated.values(), strict=True)
    if any(abs(rounded - amount) > 1e-3 for rounded, amount in pairs):
        return abs(count - sum(stated.values())) <= _COUNT_TOLERANCE * count
    is_cell = abs(count - sum(whole)) <= _COUNT_TOLERANCE * count
    return is_cell and math.gcd(*whole) % z == 0


def _amounts(composition: Composition) -> Amounts:
    amounts: Amounts = {}
    for specie, amount in composition.items():
        amounts[specie.Z] = amounts.get(specie.Z, 0) + float(amount)
    return {z: amount for z, amount in amounts.items() if amount}


def _share_of_hydrogen(amounts: Amounts) -> float:
    return amounts.get(1, 0.0) / (sum(amounts.values()) or 1.0)


def _heavy(amounts: Amounts) -> Amounts:
    return {z: amount for z, amount in amounts.items() if z != 1}


def _apart(stated: Amounts, listed: Amounts) -> float:
    """Return how far the shares of all elements but hydrogen are from each other."""
    first, second = _heavy(stated), _heavy(listed)
    total, other = sum(first.values()) or 1.0, sum(second.values()) or 1.0
    return sum(
        abs(first.get(z, 0.0) / total - second.get(z, 0.0) / other)
        for z in first.keys() | second.keys()
    )


def _same_shares(
    first: Mapping[int, float], second: Mapping[int, float], tolerance: float
) -> bool:
    total, other = sum(first.values()), sum(second.values())
    return first.keys() == second.keys() and all(
        abs(first[z] / total - second[z] / other) <= tolerance for z in first
    )
