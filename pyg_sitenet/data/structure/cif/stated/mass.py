"""Density and formula weight of a CIF, compared with the mass of its cell."""

from __future__ import annotations

from itertools import product

from pymatgen.core import Element, Structure

from pyg_sitenet.data.structure.cif.stated.formula import (
    Amounts,
    numbers_of_formulas,
    read_formula,
)
from pyg_sitenet.data.structure.cif.values import Values, number
from pyg_sitenet.errors import StructureError

# Shares of the density and of the weight: both are rounded, and of an analysis.
_DENSITY_TOLERANCE = 0.08
_WEIGHT_TOLERANCE = 0.05
_GRAMS = 1.66053907  # of a dalton per cubic angstrom, in g/cm^3
_HYDROGEN = float(Element("H").atomic_mass)


def check_mass(structure: Structure, values: Values, hydrogens: float) -> None:
    """Compare the mass with what is stated; without hydrogen it may be lower.

    Args:
        structure: What was made.
        values: Names and values of the data block.
        hydrogens: Number of hydrogen atoms of the cell that have no position.

    Raises:
        StructureError: If the density or the weight of a formula is another.
    """
    mass, formula = float(structure.composition.weight), read_formula(values, structure)
    with_hydrogen = mass + hydrogens * _HYDROGEN
    made = f"{structure.composition.hill_formula} in {structure.volume:.5g} A^3"
    for text in values.known("_exptl_crystal_density_diffrn"):  # of each specimen
        stated = number(text) * structure.volume / _GRAMS
        if 0 < number(text) < 30 and not _fits(
            mass, with_hydrogen, stated, formula, _DENSITY_TOLERANCE
        ):
            raise StructureError(
                f"{values.origin}: its density is stated to be {text} g/cm^3 but {made}"
                f" has {mass / structure.volume * _GRAMS:.4g}; correct the symmetry,"
                " the atoms or the cell"
            )
    weights = values.known("_chemical_formula_weight")
    for text, z in product(weights, numbers_of_formulas(values)):
        # Some programs give the formula of the whole cell beside Z.
        masses = [number(text) * z, number(text)] if formula else [number(text) * z]
        if number(text) > 0 and not any(
            _fits(mass, with_hydrogen, stated, formula, _WEIGHT_TOLERANCE)
            for stated in masses
        ):
            raise StructureError(
                f"{values.origin}: {z:g} formulas of {text} g/mol are stated,"
                f" {number(text) * z:.5g}, but {structure.composition.hill_formula} has"
                f" {mass:.5g}; correct the symmetry, the atoms or the weight"
            )


def _fits(
    mass: float, with_hydrogen: float, stated: float, formula: Amounts, tolerance: float
) -> bool:
    """Tell whether a mass is the stated one, or that without its hydrogen."""
    if mass / stated > 1 + tolerance:
        return False
    total = sum(n * Element.from_Z(z).atomic_mass for z, n in formula.items())
    share = formula.get(1, 0.0) * _HYDROGEN / float(total) if formula else 0.0
    is_complete = mass / stated >= 1 - share - tolerance
    return bool(is_complete or with_hydrogen / stated > 1 - tolerance)
