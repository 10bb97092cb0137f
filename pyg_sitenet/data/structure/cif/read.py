"""One data block: a structure, compared with what the block says of itself."""

from __future__ import annotations

import numpy as np
import spglib
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.structure.cif.atoms import Row, meant_formula, read_rows
from pyg_sitenet.data.structure.cif.blocks import parse_block
from pyg_sitenet.data.structure.cif.cell import read_cell
from pyg_sitenet.data.structure.cif.sites import Images, join_sites, make_images
from pyg_sitenet.data.structure.cif.stated.formula import (
    check_formula,
    formula_elements,
)
from pyg_sitenet.data.structure.cif.stated.mass import check_mass
from pyg_sitenet.data.structure.cif.stated.multiplicity import (
    check_orders,
    multiplicity_conflict,
)
from pyg_sitenet.data.structure.cif.stated.wyckoff import check_letters
from pyg_sitenet.data.structure.cif.symmetry.named_group import check_named
from pyg_sitenet.data.structure.cif.symmetry.operations import Group
from pyg_sitenet.data.structure.cif.symmetry.read_symmetry import (
    Symmetry,
    hall_conflict,
    read_symmetry,
)
from pyg_sitenet.data.structure.cif.values import Values
from pyg_sitenet.errors import StructureError

# Angstrom, for symmetry that a name states of a crystal and its operations do not.
_SYMPRECS = (0.01, 0.1)


def read_cif_block(text: str, origin: str) -> Structure:
    """Read the structure of one data block.

    Raises:
        StructureError: If values of it are none, if two atoms are in one place or
            more than are there, or if what the block states of its symmetry, its atoms
            or its cell contradicts the crystal that they make.
    """
    values = parse_block(text, origin)
    lattice = read_cell(values)
    formulas = formula_elements(values) or [frozenset()]
    meant = meant_formula(values, formulas) if len(formulas) > 1 else formulas[0]
    rows = read_rows(values, meant)
    if not rows:
        raise StructureError(f"{origin}: damaged, or no atoms: their list is empty")
    check_named(values)
    symmetry = read_symmetry(values, lattice)
    made = _make_all(rows, lattice, values, symmetry)
    if len(made) > 1:
        names = " or ".join(g.setting.xhm() for g, _ in made if g.setting)
        raise StructureError(
            f"{origin}: the setting is ambiguous, its symmetry may be {names}; name the"
            " one that is meant, or give the symmetry operations"
        )
    group, structure = made[0]
    _check_conflicts(structure, group, symmetry, values)
    return structure


def _make_all(
    rows: list[Row], lattice: Lattice, values: Values, symmetry: Symmetry
) -> list[tuple[Group, Structure]]:
    """Return the groups that nothing contradicts, and what they make.

    Raises:
        StructureError: What contradicts the first, if there is none.
    """
    made, errors = [], []
    for group in symmetry.groups:
        try:
            made.append((group, _make(rows, group, lattice, values, symmetry)))
        except StructureError as error:
            errors.append(error)
    if not made:
        raise errors[0]
    return made


def _make(
    rows: list[Row], group: Group, lattice: Lattice, values: Values, symmetry: Symmetry
) -> Structure:
    """Apply a group to the atoms; refuse what the block states otherwise."""
    misfit = group.misfit(np.array(lattice.metric_tensor))
    if misfit:
        sizes = " ".join(f"{size:.5g}" for size in lattice.parameters)
        raise StructureError(
            f"{values.origin}: its symmetry ({misfit}) does not fit its cell ({sizes});"
            " correct one of them"
        )
    if symmetry.is_magnetic:  # what is stated of sites is of the group without moments
        images = make_images(rows, group, lattice)
    else:
        images = _stated_images(rows, group, lattice, values)
        check_orders(rows, images.counts, group, values)
        if not symmetry.conflict:
            check_letters(rows, images.counts, group, values)
    structure = join_sites(rows, images, lattice, values.origin)
    pairs = zip(rows, images.counts, strict=True)
    hydrogens = sum(row.hydrogens * count for row, count in pairs)
    check_formula(structure, values, hydrogens)
    check_mass(structure, values, hydrogens)
    return structure


def _stated_images(
    rows: list[Row], group: Group, lattice: Lattice, values: Values
) -> Images:
    """Return images in the numbers that are stated, those close together as one."""
    images = make_images(rows, group, lattice)
    conflict = multiplicity_conflict(rows, images.counts, group, values)
    if not conflict:
        return images
    images = make_images(rows, group, lattice, loosely=True)
    if multiplicity_conflict(rows, images.counts, group, values):
        raise StructureError(f"{values.origin}: {conflict}")
    return images


def _check_conflicts(
    structure: Structure, group: Group, symmetry: Symmetry, values: Values
) -> None:
    """Refuse operations of another group than stated, unless the crystal has both."""
    conflict = symmetry.conflict or hall_conflict(values, group)
    if not conflict or (symmetry.number and _has_group(structure, symmetry.number)):
        return
    raise StructureError(f"{values.origin}: {conflict}; correct one of them")


def _has_group(structure: Structure, number: int) -> bool:
    """Tell whether a crystal, as it is, has a type of space group."""
    kinds: dict[str, int] = {}
    numbers = [kinds.setdefault(s.species_string, len(kinds) + 1) for s in structure]
    matrix = np.array(structure.lattice.matrix).tolist()
    cell = (matrix, structure.frac_coords.tolist(), numbers)
    for symprec in _SYMPRECS:
        dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
        if dataset is not None and dataset.number == number:
            return True
    return False
