"""What a CIF states of its crystal, compared with the crystal that was made of it."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from pymatgen.core import Composition, Element, Structure

from pyg_sitenet.data.structure.cif.atoms import Row
from pyg_sitenet.data.structure.cif.operations import Group
from pyg_sitenet.data.structure.cif.values import Values, is_null, number
from pyg_sitenet.errors import SiteNetWarning, StructureError

# Atomic fractions: more than the rounding of a formula, less than a missing atom; of
# disordered crystals, whose formulas are rounded and often those of an analysis, more.
_FORMULA_TOLERANCE = 2e-3
_DISORDERED_TOLERANCE = 2e-2
# Shares of the number of atoms, of the density.
_COUNT_TOLERANCE = 0.05
_DENSITY_TOLERANCE = 0.08
_GRAMS = 1.66053907  # of a dalton per cubic angstrom, in g/cm^3

_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)\s*")
_WYCKOFF = re.compile(r"^(\d*)\s*\(?([a-zA-Z])\)?$")

Amounts = dict[int, float]


def read_formula(values: Values) -> Amounts:
    """Return the amounts of atomic numbers in ``_chemical_formula_sum``; may be empty.

    Isotopes and ions count as their element.
    """
    text = values.text("_chemical_formula_sum")
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
        return _amounts(Composition(text))
    except (ValueError, TypeError):
        return {}


def check_formula(
    structure: Structure, values: Values, hydrogens: float, origin: str
) -> None:
    """Refuse atoms that are not those of the formula; hydrogen is often left out.

    Args:
        structure: What was made.
        values: Names and values of the data block.
        hydrogens: Number of hydrogen atoms of the cell that have no position.
        origin: File that messages begin with.

    Raises:
        StructureError: If the atoms contradict the formula, or their number Z.
    """
    stated, listed = read_formula(values), _amounts(structure.composition)
    text = values.text("_chemical_formula_sum")
    is_ordered = structure.is_ordered
    message = (
        f"{origin}: {'' if is_ordered else 'disordered, '}lists"
        f" {structure.composition.hill_formula} but its _chemical_formula_sum is {text}"
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
        warnings.warn(message, SiteNetWarning, stacklevel=4)
    elif hydrogens:
        warnings.warn(
            f"{origin}: {hydrogens:g} hydrogen atoms have no position: used without"
            " them",
            SiteNetWarning,
            stacklevel=4,
        )
    pair = (stated, listed) if is_same else (without, rest)
    _check_number(*pair, values, is_ordered, origin)


def _check_number(
    stated: Amounts, listed: Amounts, values: Values, is_ordered: bool, origin: str
) -> None:
    """Compare the number of atoms with Z formulas, or with Z parts of one."""
    z = values.number("_cell_formula_units_z")
    count, unit = sum(listed.values()), sum(stated.values())
    if not z > 0 or z != int(z):
        return
    if not stated:
        is_divided = all(amount % z < 1e-3 for amount in listed.values())
        fits = not is_ordered or is_divided
        said = f"Z = {z:g}"
    else:
        fits = abs(count - z * unit) <= _COUNT_TOLERANCE * z * unit
        fits = fits or _is_whole_cell(stated, count, int(z))
        formula = values.text("_chemical_formula_sum")
        said = f"Z = {z:g} formulas {formula} of {unit:g} atoms"
    if not fits:
        raise StructureError(
            f"{origin}: lists {count:.4g} atoms in its cell but states {said}; correct"
            " the symmetry, the atoms or Z"
        )


def _is_whole_cell(stated: Amounts, count: float, z: int) -> bool:
    """Tell whether a formula is that of the cell, as pymatgen writes it beside Z."""
    whole = [round(amount) for amount in stated.values()]
    pairs = zip(whole, stated.values(), strict=True)
    if any(abs(one - amount) > 1e-3 for one, amount in pairs):
        return abs(count - sum(stated.values())) <= _COUNT_TOLERANCE * count
    is_cell = abs(count - sum(whole)) <= _COUNT_TOLERANCE * count
    return is_cell and math.gcd(*whole) % z == 0


def check_multiplicities(
    rows: Sequence[Row],
    counts: Sequence[int],
    group: Group,
    values: Values,
    origin: str,
) -> None:
    """Compare the images of each atom with the multiplicity that is stated of it.

    Old files have the order of the site's symmetry under the same name: that is taken
    too, if it is right for all atoms.

    Raises:
        StructureError: If one has another number of images.
    """
    stated = _stated_multiplicities(rows, values)
    pairs = [(row, n, m) for row, n, m in zip(rows, counts, stated, strict=True) if m]
    if all(n == m for _, n, m in pairs) or all(
        n * m == len(group) for _, n, m in pairs
    ):
        return
    if len(group) == 1 and _is_expanded(pairs):
        return
    if _is_rhombohedral(group) and all(3 * n == m for _, n, m in pairs):
        return
    row, n, m = next(pair for pair in pairs if pair[1] != pair[2])
    raise StructureError(
        f"{origin}: atom {row.number} ({row.label}) is stated to be on {m:g} sites but"
        f" its {len(group)} symmetry operations make {n}; correct the symmetry or the"
        " position"
    )


def check_orders(
    rows: Sequence[Row],
    counts: Sequence[int],
    group: Group,
    values: Values,
    origin: str,
) -> None:
    """Compare the images of each atom with the order of its site's symmetry.

    Raises:
        StructureError: If one has another number of images.
    """
    column = values.columns.get("_atom_site_site_symmetry_order", [])
    for row, count in zip(rows, counts, strict=True):
        text = column[row.number - 1] if row.number <= len(column) else "?"
        if number(text) > 0 and number(text) * count != len(group):
            raise StructureError(
                f"{origin}: atom {row.number} ({row.label}) is on {count} sites of"
                f" {len(group)} operations but its site symmetry is stated to be of"
                f" order {text}; correct the symmetry or the position"
            )


def check_letters(
    rows: Sequence[Row], counts: Sequence[int], values: Values, origin: str
) -> None:
    """Refuse Wyckoff letters of which a later one has fewer sites.

    Raises:
        StructureError: If the letters contradict the images.
    """
    letters: dict[str, tuple[int, Row]] = {}
    for row, count, match in zip(rows, counts, _wyckoff(rows, values), strict=True):
        if not match:
            continue
        key = "zz" if match[2] == "A" else match[2].lower()
        known, _ = letters.setdefault(key, (count, row))
        if known != count:
            raise StructureError(
                f"{origin}: atom {row.number} ({row.label}) has {count} sites, another"
                f" of its Wyckoff letter {match[2]} has {known}; correct one"
            )
    ordered = [letters[letter] for letter in sorted(letters)]
    for (fewer, _), (count, row) in pairwise(ordered):
        if count < fewer:
            raise StructureError(
                f"{origin}: atom {row.number} ({row.label}) has {count} sites, one of"
                f" an earlier Wyckoff letter has {fewer}; correct the symmetry or the"
                " letters"
            )


def check_density(
    structure: Structure, values: Values, hydrogens: float, origin: str
) -> None:
    """Compare the density with the stated one; without hydrogen it may be lower.

    Raises:
        StructureError: If it is another.
    """
    text = values.text("_exptl_crystal_density_diffrn")
    stated = number(text)
    if not 0 < stated < 30:
        return
    mass = float(structure.composition.weight)
    density = mass / structure.volume * _GRAMS
    formula = read_formula(values)
    least = 1.0
    if 1 in formula:
        total = sum(n * Element.from_Z(z).atomic_mass for z, n in formula.items())
        least = 1 - formula[1] * Element("H").atomic_mass / total
    most = 1 + hydrogens * Element("H").atomic_mass / mass
    low = density / stated < least - _DENSITY_TOLERANCE
    if low and density * most / stated > 1 - _DENSITY_TOLERANCE:
        return
    if low or density / stated > 1 + _DENSITY_TOLERANCE:
        raise StructureError(
            f"{origin}: its density is stated to be {text} g/cm^3 but"
            f" {structure.composition.hill_formula} in {structure.volume:.5g} A^3 has"
            f" {density:.4g}; correct the symmetry, the atoms or the cell"
        )


def _stated_multiplicities(rows: Sequence[Row], values: Values) -> list[float]:
    column = values.column(
        "_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity"
    )
    texts = [
        column[row.number - 1] if row.number <= len(column) else "?" for row in rows
    ]
    numbers = [0.0 if not number(text) > 0 else number(text) for text in texts]
    letters = _wyckoff(rows, values)
    return [
        stated or float((match and match[1]) or 0)
        for stated, match in zip(numbers, letters, strict=True)
    ]


def _wyckoff(rows: Sequence[Row], values: Values) -> list[re.Match[str] | None]:
    column = values.column("_atom_site_wyckoff_symbol", "_atom_site_wyckoff_letter")
    texts = [
        column[row.number - 1] if row.number <= len(column) else "?" for row in rows
    ]
    return [None if is_null(text) else _WYCKOFF.match(text) for text in texts]


def _is_expanded(pairs: Sequence[tuple[Row, int, float]]) -> bool:
    """Tell whether all images are listed, each with the number of them."""
    sites = Counter((frozenset(row.species), m) for row, _, m in pairs)
    return all(count % m == 0 for (_, m), count in sites.items())


def _is_rhombohedral(group: Group) -> bool:
    setting = group.setting
    return setting is not None and setting.ext == "R"


def _amounts(composition: Composition) -> Amounts:
    amounts: Amounts = {}
    for specie, amount in composition.items():
        amounts[specie.Z] = amounts.get(specie.Z, 0) + float(amount)
    return {z: amount for z, amount in amounts.items() if amount}


def _share_of_hydrogen(amounts: Amounts) -> float:
    return amounts.get(1, 0.0) / (sum(amounts.values()) or 1.0)


def _heavy(amounts: Amounts) -> Amounts:
    return {z: amount for z, amount in amounts.items() if z != 1}


def _same_shares(
    first: Mapping[int, float], second: Mapping[int, float], tolerance: float
) -> bool:
    total, other = sum(first.values()), sum(second.values())
    return first.keys() == second.keys() and all(
        abs(first[z] / total - second[z] / other) <= tolerance for z in first
    )
