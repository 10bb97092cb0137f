"""Different orderings of a disordered crystal: drawn at random, or all of them."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from pymatgen.core import Structure

from pyg_sitenet.data.disorder.cells import Cell, choose_cell, make_cell, smallest_size
from pyg_sitenet.data.disorder.placing import (
    cost_of,
    num_placements,
    place_at_random,
    place_in_every_way,
)
from pyg_sitenet.data.disorder.sublattices import (
    HARD,
    find_exclusions,
    find_sublattices,
)
from pyg_sitenet.data.disorder.symmetry import (
    Labels,
    Symmetry,
    canonical,
    orbit,
    supercell_shapes,
)
from pyg_sitenet.errors import StructureError

# Random orderings drawn for each that is wanted, before symmetry is said to leave no
# more that differ.
_DRAWS = 8

# Primitive cells in an enumerated supercell: of more, the shapes alone are thousands.
_MAX_CELLS = 16

# Orderings that an enumeration may go through (seconds).
_MAX_PLACEMENTS = 50_000


class Ordering(NamedTuple):
    """Species on the disordered sites of a supercell.

    Args:
        cell: The supercell.
        labels: Index of the species of each site in its sublattice, [num_sites].
        weight: How often it was drawn, or in how many ways it can be placed.
        cost: What sites cost that are both occupied although they exclude each other.
    """

    cell: Cell
    labels: Labels
    weight: int
    cost: int


def sample_orderings(
    primitive: Structure, orderings: int, *, max_atoms: int, seed: int
) -> list[Ordering]:
    """Draw orderings that differ by more than symmetry, in the order of drawing.

    Args:
        primitive: The primitive cell.
        orderings: How many; fewer if there are not so many.
        max_atoms: Most sites of a supercell.
        seed: Decides, together with the composition.

    Raises:
        StructureError: If atoms are on top of each other in all of them.
    """
    cell = choose_cell(
        np.array(primitive.lattice.matrix),
        len(primitive),
        find_sublattices(primitive),
        orderings=orderings,
        max_atoms=max_atoms,
    )
    costs = cell.costs(find_exclusions(primitive))
    permutations = Symmetry(primitive).permutations(cell)
    random = _generator(primitive, seed)
    drawn: dict[bytes, list[Labels]] = {}
    for _ in range(_DRAWS * orderings):
        labels = place_at_random(cell, costs, random)
        drawn.setdefault(canonical(labels, permutations), []).append(labels)
        hopeless = len(drawn) == 1 and cost_of(cell, labels, costs) >= HARD
        if hopeless or len(drawn) == orderings:
            break
    return _cheapest(
        [
            Ordering(cell, same[0], len(same), int(cost_of(cell, same[0], costs)))
            for same in drawn.values()
        ],
        primitive,
    )


def enumerate_orderings(
    primitive: Structure, *, max_atoms: int, seed: int
) -> list[Ordering]:
    """Find all orderings that differ by more than symmetry, the most frequent first.

    They are those of all supercells, of any shape, of the smallest size that keeps the
    composition (16 primitive cells at most). Of equally frequent ones the seed decides
    the order.

    Args:
        primitive: The primitive cell.
        max_atoms: Most sites of a supercell.
        seed: Decides, together with the composition.

    Raises:
        StructureError: If there are too many, or atoms are on top of each other in all.
    """
    sublattices, exclusions = find_sublattices(primitive), find_exclusions(primitive)
    symmetry = Symmetry(primitive)
    largest = min(max(1, max_atoms // len(primitive)), _MAX_CELLS)
    size = smallest_size(sublattices, largest)
    shapes = supercell_shapes(size, symmetry.rotations)
    cells = [make_cell(matrix, sublattices) for matrix, _ in shapes]
    count = num_placements(cells[0]) * len(shapes)
    if count > _MAX_PLACEMENTS:
        raise StructureError(
            f"{primitive.composition.hill_formula}: {float(count):.3g} orderings of"
            f" {size} primitive cells are too many to enumerate (at most"
            f" {_MAX_PLACEMENTS}); take --disorder sample (data.disorder=sample)"
        )
    ways = place_in_every_way(cells[0])
    candidates: list[Ordering] = []
    for cell, (_, number) in zip(cells, shapes, strict=True):
        costs = cost_of(cell, ways, cell.costs(exclusions))
        permutations = symmetry.permutations(cell)
        images: set[bytes] = set()
        for labels, cost in zip(ways, costs, strict=True):
            if labels.tobytes() not in images:
                same = orbit(labels, permutations)
                images |= same
                candidates.append(Ordering(cell, labels, number * len(same), int(cost)))
    candidates = _cheapest(candidates, primitive)
    shuffled = _generator(primitive, seed).permutation(len(candidates))
    return sorted(
        (candidates[k] for k in shuffled), key=lambda ordering: -ordering.weight
    )


def _cheapest(candidates: list[Ordering], primitive: Structure) -> list[Ordering]:
    """Keep the orderings in which the fewest sites exclude each other."""
    lowest = min(ordering.cost for ordering in candidates)
    if lowest >= HARD:
        raise StructureError(
            f"{primitive.composition.hill_formula}: the occupancies put atoms on top of"
            " each other: sites less than 0.5 A apart cannot all be filled as often as"
            " they say; correct the occupancies or remove one of the sites"
        )
    return [ordering for ordering in candidates if ordering.cost == lowest]


def _generator(primitive: Structure, seed: int) -> np.random.Generator:
    """Return random numbers of a crystal and a seed, whatever comes before it."""
    amounts = sorted(
        (str(specie), round(float(amount), 3))
        for specie, amount in primitive.composition.items()
    )
    digest = hashlib.sha256(repr((len(primitive), amounts)).encode()).digest()
    return np.random.default_rng([seed, *digest])
