"""Supercells to order a disordered crystal in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.data.disorder.rounding import Counts, amounts_of, misfit, round_counts
from pyg_sitenet.data.disorder.sublattices import Exclusions, Sublattice
from pyg_sitenet.data.geometry.lattice import Floats, Ints
from pyg_sitenet.data.geometry.supercell import (
    image_translations,
    inside_supercell,
    make_supercell,
)

# Excess of an element per disordered site that a supercell should not go beyond.
MAX_MISFIT = 0.02

# Symmetry operations of a point group at most: so many orderings may be the same.
_POINT_GROUP = 48


@dataclass(frozen=True)
class Cell:
    """A supercell and how many of its sites hold which species.

    Sites are numbered sublattice by sublattice, in each site by site of the primitive
    cell, for each image by image.

    Args:
        matrix: Upper triangular integer rows in units of the primitive vectors, [3, 3].
        sublattices: The mixtures of the primitive cell.
        counts: For each of them the sites of each species.
    """

    matrix: Ints
    sublattices: tuple[Sublattice, ...]
    counts: Counts

    @property
    def num_images(self) -> int:
        """Primitive cells in it."""
        return int(np.diag(self.matrix).prod())

    @cached_property
    def images(self) -> Ints:
        """Their translations, [num_images, 3]."""
        return image_translations(self.matrix)

    @cached_property
    def sites(self) -> Ints:
        """Sites of the primitive cell that are disordered, [num_disordered]."""
        return np.concatenate([sublattice.sites for sublattice in self.sublattices])

    @cached_property
    def misfit(self) -> dict[str, float]:
        """Excess of each element per disordered site."""
        return misfit(self.sublattices, self.counts, self.num_images)

    @property
    def largest_misfit(self) -> float:
        """The misfit of the worst element."""
        return max(map(abs, self.misfit.values()))

    @property
    def keeps_composition(self) -> bool:
        """Whether the misfit is small and no element is lost."""
        held = amounts_of(self.sublattices, self.counts)
        return self.largest_misfit <= MAX_MISFIT and all(held.values())

    @cached_property
    def log_orderings(self) -> float:
        """Logarithm of the number of ways to place the atoms."""
        return sum(
            math.lgamma(counts.sum() + 1) - sum(math.lgamma(n + 1) for n in counts)
            for counts in self.counts
        )

    def number(self, site: Ints, image: Ints) -> Ints:
        """Return the number of atoms given by disordered site and translation.

        Args:
            site: Position in :attr:`sites`, [...].
            image: Any translation of the primitive lattice, [..., 3].
        """
        inside = inside_supercell(image, self.matrix)
        _, b, c = np.diag(self.matrix)
        index = (inside[..., 0] * b + inside[..., 1]) * c + inside[..., 2]
        return np.asarray(site * self.num_images + index)

    def is_vacancy(self) -> list[NDArray[np.bool_]]:
        """Return for each sublattice which of its species is a vacancy."""
        return [
            np.array([s is None for s in sublattice.species])
            for sublattice in self.sublattices
        ]

    def costs(self, exclusions: Exclusions) -> Ints:
        """Return the penalty if two sites are occupied, symmetric, [sites, sites]."""
        size = len(self.sites) * self.num_images
        costs = np.zeros((size, size), dtype=np.int64)
        position = {int(site): k for k, site in enumerate(self.sites)}
        first = np.array([position[int(i)] for i in exclusions.first], dtype=np.int64)
        second = np.array([position[int(i)] for i in exclusions.second], dtype=np.int64)
        for image in self.images:
            place = self.number(first, np.broadcast_to(image, exclusions.image.shape))
            partner = self.number(second, exclusions.image + image)
            np.maximum.at(costs, (place, partner), exclusions.weight)
        return costs


def make_cell(matrix: Ints, sublattices: Sequence[Sublattice]) -> Cell:
    """Return a supercell with its shares rounded."""
    num_images = int(np.diag(matrix).prod())
    counts = round_counts(sublattices, num_images)
    return Cell(matrix, tuple(sublattices), counts)


def choose_cell(
    lattice: Floats,
    num_sites: int,
    sublattices: Sequence[Sublattice],
    *,
    orderings: int,
    max_atoms: int,
) -> Cell:
    """Choose the supercell whose sampled orderings stand for the disordered crystal.

    Of the roughly cubic ones with at most ``max_atoms`` sites, the smallest that keeps
    the composition to 0.02 atoms per disordered site, loses no element and has room
    for ``orderings`` that differ by more than symmetry; without such, the largest that
    keeps the composition, or of those that keep it best.

    Args:
        lattice: Primitive lattice, [3, 3], angstrom.
        num_sites: Sites of the primitive cell.
        sublattices: Its mixtures.
        orderings: How many are wanted.
        max_atoms: Most sites; a larger primitive cell is kept.
    """
    cells: list[Cell] = []
    for num_cells in range(1, max(1, max_atoms // num_sites) + 1):
        matrix = make_supercell(lattice, num_sites, num_sites * num_cells)
        if cells and (matrix == cells[-1].matrix).all():
            continue
        cells.append(make_cell(matrix, sublattices))
        if cells[-1].keeps_composition and _has_room(cells[-1], orderings):
            return cells[-1]
    good = [cell for cell in cells if cell.keeps_composition]
    return good[-1] if good else min(reversed(cells), key=_badness)


def smallest_size(sublattices: Sequence[Sublattice], largest: int) -> int:
    """Return how many primitive cells keep the composition, or keep it best.

    Args:
        sublattices: The mixtures of the primitive cell.
        largest: Most cells.
    """
    cells: list[Cell] = []
    for size in range(1, largest + 1):
        cells.append(make_cell(np.diag([1, 1, size]), sublattices))
        if cells[-1].keeps_composition:
            return size
    return min(cells, key=_badness).num_images


def _has_room(cell: Cell, orderings: int) -> bool:
    return cell.log_orderings >= math.log(orderings * _POINT_GROUP * cell.num_images)


def _badness(cell: Cell) -> float:
    return round(cell.largest_misfit, 6)
