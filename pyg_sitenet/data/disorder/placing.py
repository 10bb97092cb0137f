"""Atoms on the disordered sites of a supercell: at random, or in every way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.data.disorder.cells import Cell
from pyg_sitenet.data.disorder.symmetry import Labels
from pyg_sitenet.data.geometry.lattice import Ints

# Moves per site to part atoms on sites that exclude each other.
_MOVES = 15
# How often a move may make things worse, so as not to stay in a dead end.
_RESTLESS = 0.05

Bools = NDArray[np.bool_]


def place_at_random(cell: Cell, costs: Ints, random: np.random.Generator) -> Labels:
    """Place the atoms of each sublattice at random on its sites.

    Where sites exclude each other, atoms are then moved until no two are on such a
    pair, or as few as can be found.

    Args:
        cell: The supercell.
        costs: What two occupied sites cost, [num_sites, num_sites].
        random: Decides.

    Returns:
        Index of the species of each site in its sublattice, [num_sites].
    """
    labels = np.concatenate(
        [random.permutation(group) for group in _sorted_labels(cell)]
    )
    if costs.any():
        labels = _part(cell, labels, costs, random)
    return labels


def cost_of(cell: Cell, labels: Labels, costs: Ints) -> Ints:
    """Return the cost of each ordering, [...]; a pair counts twice.

    Args:
        cell: The supercell.
        labels: Orderings, [..., num_sites].
        costs: What two occupied sites cost, [num_sites, num_sites].
    """
    occupied = is_occupied(cell, labels).astype(np.int64)
    return np.asarray(((occupied @ costs) * occupied).sum(axis=-1))


def is_occupied(cell: Cell, labels: Labels) -> Bools:
    """Return which sites hold an atom, [..., num_sites]."""
    parts = np.split(labels, _borders(cell), axis=-1)
    vacant = [
        is_vacancy[part]
        for is_vacancy, part in zip(cell.is_vacancy(), parts, strict=True)
    ]
    return ~np.concatenate(vacant, axis=-1)


def num_placements(cell: Cell) -> int:
    """Return in how many ways the atoms can be placed."""
    return math.prod(
        math.factorial(int(counts.sum()))
        // math.prod(math.factorial(int(number)) for number in counts)
        for counts in cell.counts
    )


def place_in_every_way(cell: Cell) -> Labels:
    """Return all ways to place the atoms, [num_placements, num_sites]."""
    options = [list(_arrangements(counts)) for counts in cell.counts]
    return np.array([np.concatenate(parts) for parts in product(*options)])


def _sorted_labels(cell: Cell) -> list[Labels]:
    return [
        np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
        for counts in cell.counts
    ]


def _borders(cell: Cell) -> Ints:
    return np.cumsum([counts.sum() for counts in cell.counts])[:-1]


def _arrangements(counts: Ints) -> Iterator[Labels]:
    """Yield all ways to fill places with so many of each label."""
    labels = np.zeros(int(counts.sum()), dtype=np.uint8)
    yield from _fill(labels, counts, 0, np.arange(len(labels)))


def _fill(labels: Labels, counts: Ints, label: int, free: Ints) -> Iterator[Labels]:
    if label == len(counts) - 1:
        labels[free] = label
        yield labels.copy()
        return
    for chosen in combinations(range(len(free)), int(counts[label])):
        labels[free[list(chosen)]] = label
        yield from _fill(labels, counts, label + 1, np.delete(free, list(chosen)))


def _part(
    cell: Cell, labels: Labels, costs: Ints, random: np.random.Generator
) -> Labels:
    """Swap atoms with vacancies, each time the swap that helps most."""
    owner = np.repeat(np.arange(len(cell.counts)), [int(n.sum()) for n in cell.counts])
    occupied = is_occupied(cell, labels)
    own = costs.diagonal()
    field = costs @ occupied  # what an atom costs at each site
    best, lowest = labels.copy(), math.inf
    for _ in range(_MOVES * len(labels)):
        cost = int(field[occupied].sum())
        if cost < lowest:
            best, lowest = labels.copy(), cost
        if not cost:
            break
        atom = int(random.choice(np.flatnonzero(occupied & (field > 0))))
        places = np.flatnonzero(~occupied & (owner == owner[atom]))
        if not len(places):
            continue
        cost_there = field[places] - costs[places, atom] + own[places]
        good = np.flatnonzero(cost_there == cost_there.min())
        if random.random() < _RESTLESS:
            good = np.arange(len(places))
        place = int(places[random.choice(good)])
        labels[[atom, place]] = labels[[place, atom]]
        occupied[[atom, place]] = occupied[[place, atom]]
        field += costs[:, place] - costs[:, atom]
    return best
