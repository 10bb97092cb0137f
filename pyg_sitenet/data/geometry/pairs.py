"""Pairs of unique sites with the atoms around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.data.geometry.lattice import Floats, Ints


@dataclass(frozen=True)
class Pairs:
    """Pairs of each unique site with the atoms of its environment.

    Args:
        sender: Unique site that the seen atom is an image of, shape [num_pairs].
        receiver: Unique site that sees it, shape [num_pairs], sorted.
        image: Lattice translation of the seen atom in units of the primitive cell,
            shape [num_pairs, 3]; 0 0 0 of the receiver itself is the self pair.
        distance: Angstrom, shape [num_pairs]; exactly 0 for the self pair alone.
        supercell_matrix: Integer rows in units of the primitive vectors, [3, 3].
        weight: How much each seen atom counts, shape [num_pairs], above 0; 1 if None.
        nearest: Translation of that image of the seen atom whose distance it is, if
            that is another than ``image``, shape [num_pairs, 3].
    """

    sender: Ints
    receiver: Ints
    image: Ints
    distance: Floats
    supercell_matrix: Ints
    weight: Floats | None = None
    nearest: Ints | None = None

    @property
    def is_self(self) -> NDArray[np.bool_]:
        """Whether a pair is an atom with itself, [num_pairs]."""
        own: NDArray[np.bool_] = (self.sender == self.receiver) & ~self.image.any(1)
        return own

    @property
    def shift(self) -> Ints:
        """Translations with which positions give the distances, [num_pairs, 3]."""
        return self.image if self.nearest is None else self.nearest

    def without_self(self) -> Pairs:
        """Return the pairs of different atoms, for neighbours that have no weights."""
        return self.where(~self.is_self)

    def where(self, is_chosen: NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs, of neighbours that have no weights."""
        return Pairs(
            sender=self.sender[is_chosen],
            receiver=self.receiver[is_chosen],
            image=self.image[is_chosen],
            distance=self.distance[is_chosen],
            supercell_matrix=self.supercell_matrix,
        )
