"""Counts of derivative structures: Hart and Forcade, Phys. Rev. B 77, 224115 (2008)."""

from __future__ import annotations

from collections import Counter

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.disorder import order_structure
from pyg_sitenet.data.disorder.orderings import enumerate_orderings, sample_orderings
from pyg_sitenet.data.geometry.primitive import to_primitive

_CELLS = {
    "fcc": [[0, 1.9, 1.9], [1.9, 0, 1.9], [1.9, 1.9, 0]],
    "bcc": [[-1.5, 1.5, 1.5], [1.5, -1.5, 1.5], [1.5, 1.5, -1.5]],
    "cubic": [[3, 0, 0], [0, 3, 0], [0, 0, 3]],
}


def _alloy(cell: str, gold: float) -> Structure:
    species = [{"Cu": 1 - gold, "Au": gold}]
    return to_primitive(Structure(Lattice(_CELLS[cell]), species, [[0, 0, 0]]))


# Their tables 1 and 2 count both ways of colouring: 2, 6 and 19 for fcc.
@pytest.mark.parametrize(
    ("cell", "gold", "count"),
    [
        ("fcc", 1 / 2, 2),
        ("fcc", 1 / 3, 3),
        ("fcc", 1 / 4, 7),
        ("bcc", 1 / 2, 2),
        ("bcc", 1 / 3, 3),
        ("cubic", 1 / 2, 3),
        ("cubic", 1 / 3, 3),
    ],
)
def test_cubic_alloys_have_the_published_number_of_orderings(cell, gold, count) -> None:
    result = enumerate_orderings(_alloy(cell, gold), max_atoms=100, seed=0)
    assert len(result) == count
    assert len({len(item.labels) for item in result}) == 1


def test_equiatomic_fcc_has_three_layerings_by_square_and_four_by_triangle() -> None:
    result = enumerate_orderings(_alloy("fcc", 0.5), max_atoms=100, seed=0)
    assert [item.weight for item in result] == [8, 6]  # two colourings of 4 and 3 axes


def test_no_two_enumerated_orderings_are_one_crystal() -> None:
    structures = order_structure(_alloy("fcc", 0.25), "enumerate").structures
    matcher = StructureMatcher(
        primitive_cell=False, scale=False, attempt_supercell=False
    )
    assert len(matcher.group_structures(list(structures))) == 7


def test_frequencies_are_those_of_all_placements_counted_one_by_one() -> None:
    # Every pair of a superlattice and a placement is one, whatever symmetry says.
    result = enumerate_orderings(_alloy("fcc", 0.25), max_atoms=100, seed=0)
    assert sum(item.weight for item in result) == 35 * 4  # 35 superlattices of index 4


def test_samples_follow_the_frequencies() -> None:
    alloy = _alloy("cubic", 0.5)
    drawn = sample_orderings(alloy, 100, max_atoms=8, seed=0)
    weights = Counter({item.labels.tobytes(): item.weight for item in drawn})
    assert weights.total() == 800  # all draws are spent: there are not 100
    assert len(weights) == 6  # of 70 placements in a cube of eight
    assert max(weights.values()) > 10 * min(weights.values())


def test_the_largest_cell_decides_what_can_be_kept() -> None:
    (only,) = sample_orderings(_alloy("fcc", 0.25), 4, max_atoms=1, seed=0)
    assert only.cell.num_images == 1
    assert only.cell.misfit == pytest.approx({"Au": -0.25, "Cu": 0.25})
