"""Structures from files and libraries, checked once at the border."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, Union

import numpy as np
from pymatgen.core import (
    IMolecule,
    IStructure,
    Lattice,
    Species,
    Structure,
)

from pyg_sitenet.data.elements import MAX_ATOMIC_NUMBER
from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.check import check_structure
from pyg_sitenet.data.structure.formats import read_pieces
from pyg_sitenet.data.structure.occupancy import MAX_OCCUPANCY, scale_occupancies
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import StructureError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "StructureLike",
    "check_structure",
    "load_structure",
    "read_structures",
    "reduced_formula",
]

StructureLike: TypeAlias = Union[IStructure, "Atoms", str, "os.PathLike[str]"]


def load_structure(source: StructureLike, *, disordered: bool = False) -> Structure:
    """Return the one crystal that an object or a file holds, checked.

    Args:
        source: pymatgen structure, which may be immutable (oxidation states are
            kept), ASE atoms (periodic, charges ignored), or the path of a file of a
            format that is read.
        disordered: Let vacant and shared sites pass.

    Raises:
        StructureError: If it cannot be read, is no usable crystal
            (:func:`check_structure`), or if the file holds several.
    """
    if isinstance(source, Structure):
        return check_structure(source, _formula(source), disordered=disordered)
    if isinstance(source, IStructure):
        return load_structure(mutable_copy(source), disordered=disordered)
    if isinstance(source, str | os.PathLike):
        return load_file(Path(source), disordered=disordered)
    if isinstance(source, IMolecule):
        formula = source.composition.hill_formula
        raise StructureError(
            f"{formula}: a molecule without periodicity; give a crystal"
        )
    if _is_atoms(source):
        with reading("ASE atoms"):
            _check_numbers(source, "ASE atoms")  # of which a formula is made
            formula = source.get_chemical_formula()
            return _from_atoms(source, formula, disordered=disordered)
    raise StructureError(
        "expected a pymatgen Structure, ASE Atoms or the path of a structure file, got"
        f" {type(source).__name__}"
    )


def mutable_copy(structure: IStructure) -> Structure:
    """Return a copy of a structure, which can be changed even if that cannot."""
    if isinstance(structure, Structure):
        return structure.copy()
    return Structure(
        structure.lattice,
        structure.species_and_occu,
        structure.frac_coords,
        charge=structure._charge,  # the property warns of another than the states'
        site_properties=structure.site_properties,
        labels=structure.labels,
        properties=structure.properties,
    )


def reduced_formula(structure: Structure) -> str:
    """Return the formula of one formula unit, such as ``TiO2``."""
    with warnings.catch_warnings():
        # Noble gases have no electronegativity to order a formula by.
        warnings.simplefilter("ignore", UserWarning)
        formula: str = structure.composition.reduced_formula
    return formula


def read_structures(path: str | os.PathLike[str]) -> Iterator[tuple[str, Structure]]:
    """Read all structures of a file, one at a time.

    Args:
        path: A CIF (each data block that has atoms) or any other file of a format
            that is read, with one or many frames.

    Returns:
        Iterator over the name of the block, or the number of the frame from 0, and
        the checked structure. It raises :class:`StructureError` for one that cannot be
        used and goes on with the next when ``next`` is called again.
    """
    pieces = read_pieces(Path(path))
    # A generator would end with the first error that it raises.
    return map(lambda piece: (piece.name, _checked(piece)), pieces)  # noqa: C417


def load_file(file: Path | TextFile, *, disordered: bool = False) -> Structure:
    """Return the one crystal of a file, which need not be on disk, checked.

    Raises:
        StructureError: If there is none, or several.
    """
    name = file.name if isinstance(file, TextFile) else str(file)
    pieces = read_pieces(file)
    first = next(pieces)
    others = sum(1 for _ in pieces)
    if others:
        raise StructureError(
            f"{name}: holds {others + 1} structures where one is expected; split it, or"
            " read them one by one with read_structures"
        )
    piece = Piece(first.name, name, first.read)
    return _checked(piece, disordered=disordered)


def _checked(piece: Piece, *, disordered: bool = False) -> Structure:
    with reading(piece.origin):
        content = piece.read()
        if isinstance(content, Structure):
            return check_structure(content, piece.origin, disordered=disordered)
        return _from_atoms(content, piece.origin, disordered=disordered)


def _is_atoms(source: object) -> TypeGuard[Atoms]:
    from ase import Atoms  # a tenth of a second that pymatgen users need not wait

    return isinstance(source, Atoms)


def _check_numbers(atoms: Atoms, origin: str) -> None:
    """Refuse atoms of no element, of which 0 is ASE's dummy."""
    numbers = np.asarray(atoms.numbers)
    odd = np.flatnonzero((numbers < 1) | (numbers > MAX_ATOMIC_NUMBER))
    if len(odd):
        raise StructureError(
            f"{origin}: atom {odd[0] + 1} is not a chemical element (atomic number"
            f" {numbers[odd[0]]}, expected 1 to {MAX_ATOMIC_NUMBER}); replace dummy,"
            " ghost and unknown atoms by real ones"
        )


def _from_atoms(atoms: Atoms, origin: str, *, disordered: bool) -> Structure:
    """Turn ASE atoms into a checked structure."""
    if not all(atoms.pbc):
        raise StructureError(
            f"{origin}: a molecule or slab without periodicity (pbc is"
            f" {' '.join(str(bool(p)) for p in atoms.pbc)}); give a crystal, periodic"
            " in three directions"
        )
    cell, positions = np.array(atoms.cell), np.array(atoms.positions)
    if not (np.isfinite(cell).all() and np.isfinite(positions).all()):
        raise StructureError(
            f"{origin}: cell or coordinates are not finite numbers; correct them"
        )
    if np.linalg.matrix_rank(cell) < 3:
        raise StructureError(
            f"{origin}: no cell with a volume; set three lattice vectors in angstrom"
        )
    frac = positions @ np.linalg.inv(cell)
    _check_numbers(atoms, origin)
    species = _shares(atoms, origin) or _species(atoms)
    structure = Structure(Lattice(cell), species, frac)
    return check_structure(structure, origin, disordered=disordered)


def _shares(atoms: Atoms, origin: str) -> list[dict[str, float]]:
    """Return the elements of each site that ASE's reader of CIFs leaves beside it."""
    shares = atoms.info.get("occupancy")
    kinds = atoms.arrays.get("spacegroup_kinds", range(len(atoms)))
    try:
        if not isinstance(shares, dict):
            return _shares_of_atoms(atoms)
        counts = {str(kind): share for kind, share in shares.items()}
        sites = [counts[str(kind)] for kind in kinds]
        for symbol, site in zip(atoms.get_chemical_symbols(), sites, strict=True):
            if symbol not in site:
                raise ValueError(f"{symbol} is not among {' '.join(map(str, site))}")
        return [scale_occupancies(site) for site in sites]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StructureError(
            f"{origin}: its occupancies do not fit its atoms ({type(error).__name__}:"
            f" {str(error)[:80]}); remove them, or give the file that it was read from"
        ) from error


def _shares_of_atoms(atoms: Atoms) -> list[dict[str, float]]:
    """Return the elements of each site where a column of the atoms has their shares."""
    names = [name for name in ("occupancy", "occupancies") if name in atoms.arrays]
    shares = [float(share) for name in names[:1] for share in atoms.arrays[name]]
    if any(not 0 < share <= MAX_OCCUPANCY for share in shares):
        raise ValueError(f"{min(shares)} to {max(shares)}, expected 0 to 1")
    if all(share == 1 for share in shares):
        return []
    symbols = atoms.get_chemical_symbols()
    pairs = zip(symbols, shares, strict=True)
    return [scale_occupancies({symbol: share}) for symbol, share in pairs]


def _species(atoms: Atoms) -> list[Species | str]:
    """Return symbols, with the oxidation states that pymatgen leaves on ASE atoms."""
    symbols = atoms.get_chemical_symbols()
    states = atoms.arrays.get("oxi_states", [None] * len(symbols))
    return [
        symbol if state is None else Species(symbol, float(state))
        for symbol, state in zip(symbols, states, strict=True)
    ]


def _formula(structure: Structure) -> str:
    # Hill's order: pymatgen's own asks every element for its electronegativity and
    # warns where there is none.
    return structure.composition.hill_formula or "an empty structure"
