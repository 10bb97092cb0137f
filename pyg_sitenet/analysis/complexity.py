"""How complex a crystal is: the information content of its symmetry orbits."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

from pyg_sitenet.data.geometry.primitive import to_primitive
from pyg_sitenet.errors import StructureError

SYMPREC = 0.01
"""Angstrom; atoms this far from a symmetric position count as on it."""


@dataclass(frozen=True, slots=True)
class Complexity:
    """Orbits of a primitive cell and the information they hold.

    The combinatorial part says which atom belongs to which orbit, the coordinational
    part which orbit the free coordinates belong to; the configurational complexity is
    that of both together.

    Attributes:
        multiplicities: Atoms of each orbit in the primitive cell.
        arities: Free coordinates (0 to 3) of each orbit.
        volume: Of the primitive cell, cubic angstrom.

    Reference:
        Hornfeck, Acta Cryst. A 2020, 76, 534, https://doi.org/10.1107/S2053273320006634.
    """

    multiplicities: tuple[int, ...]
    arities: tuple[int, ...]
    volume: float

    @property
    def combinatorial(self) -> float:
        """Bits per atom."""
        return _entropy(self.multiplicities)

    @property
    def coordinational(self) -> float:
        """Bits per free coordinate."""
        return _entropy(self.arities)

    @property
    def configurational(self) -> float:
        """Bits per atom or free coordinate."""
        return _entropy(self.multiplicities + self.arities)

    @property
    def combinatorial_max(self) -> float:
        """Combinatorial complexity if all orbits had equally many atoms."""
        return math.log2(len(self.multiplicities))

    @property
    def coordinational_max(self) -> float:
        """Coordinational complexity if all orbits had equally many coordinates."""
        return self.combinatorial_max

    @property
    def configurational_max(self) -> float:
        """Configurational complexity if all of these numbers were equal."""
        return self.combinatorial_max + 1

    @property
    def configurational_total(self) -> float:
        """Bits per primitive cell."""
        parts = sum(self.multiplicities) + sum(self.arities)
        return parts * self.configurational


def structural_complexity(structure: Structure, symprec: float = SYMPREC) -> Complexity:
    """Find the orbits of a crystal and return its complexity.

    Args:
        structure: Ordered crystal in any cell; oxidation states tell sites apart.
        symprec: Tolerance of the symmetry in angstrom.

    Raises:
        StructureError: If no symmetry can be found.

    Example:
        >>> from pymatgen.core import Lattice, Structure
        >>> salt = Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0] * 3, [0.5] * 3])
        >>> structural_complexity(salt).configurational
        1.0
    """
    primitive = to_primitive(structure, symprec)
    try:
        with warnings.catch_warnings():
            # spglib announces changes of its interface, which pymatgen deals with.
            warnings.simplefilter("ignore", DeprecationWarning)
            symmetry = SpacegroupAnalyzer(primitive, symprec).get_symmetry_dataset()
    except SymmetryUndeterminedError as error:
        raise StructureError(
            f"{primitive.composition.hill_formula}: no symmetry can be found within "
            f"{symprec} angstrom; check for atoms that nearly coincide"
        ) from error
    orbit = np.asarray(symmetry.crystallographic_orbits)
    # Normally 1: spglib may see translations that the tolerance of ours does not.
    copies = len(orbit) // len(np.unique(symmetry.mapping_to_primitive))
    first, counts = np.unique(orbit, return_index=True, return_counts=True)[1:]
    rotations, translations = (
        np.asarray(symmetry.rotations),
        np.asarray(symmetry.translations),
    )
    arities = [
        _arity(primitive.frac_coords[site], rotations, translations, primitive, symprec)
        for site in first
    ]
    return Complexity(
        tuple((counts // copies).tolist()), tuple(arities), primitive.volume / copies
    )


def _arity(
    position: NDArray[np.float64],
    rotations: NDArray[np.int32],
    translations: NDArray[np.float64],
    primitive: Structure,
    symprec: float,
) -> int:
    """Return how many coordinates the site symmetry leaves free.

    The mean of the rotations that keep the site is the projection on the directions in
    which it may move; its trace is their number.
    """
    moved = rotations @ position + translations - position
    apart = np.linalg.norm((moved - moved.round()) @ primitive.lattice.matrix, axis=1)
    stabilizer = rotations[apart < max(symprec, 1e-5) * 2]
    return round(float(np.trace(stabilizer.mean(axis=0))))


def _entropy(counts: ArrayLike) -> float:
    """Return the information content of counts in bits; 0 without any."""
    positive = np.asarray(counts, dtype=np.float64)
    positive = positive[positive > 0]
    share = positive / positive.sum()
    return float(abs((share * np.log2(share)).sum()))
