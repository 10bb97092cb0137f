"""Translated copies against a plain search over all atoms."""

from __future__ import annotations

import numpy as np
import pytest

from pyg_sitenet.data.geometry.lattice import minimum_image_distances
from pyg_sitenet.data.geometry.translations import merge_copies


@pytest.mark.parametrize("repeats", [(2, 1, 1), (3, 1, 2), (1, 5, 1), (2, 2, 4)])
def test_copies_are_translations_of_one_another(triclinic, repeats):
    large = triclinic * repeats
    cell, frac = np.array(large.lattice.matrix), np.array(large.frac_coords)
    kinds = np.array(large.atomic_numbers)
    merged = merge_copies(cell, frac, kinds, tolerance=0.1)
    assert merged.copies.shape == (len(triclinic), np.prod(repeats))
    assert sorted(merged.copies.ravel()) == list(range(len(large)))
    assert abs(np.linalg.det(merged.basis)) == pytest.approx(1 / np.prod(repeats))
    smaller = merged.basis @ cell
    for site, copies in enumerate(merged.copies):
        assert len(set(kinds[copies])) == 1
        offsets = frac[copies] @ cell - merged.frac[site] @ smaller
        assert minimum_image_distances(offsets, smaller).max() < 1e-6


def test_errors_do_not_add_up_over_steps():
    # Atoms 0.09 A off half a cell apart, and their means 0.1 A off a quarter: all four
    # would differ by 0.19 A.
    frac = np.zeros((4, 3))
    frac[:, 0] = np.arange(4) / 4
    frac[:, 2] = np.array([0.09, -0.1, 0, -0.01]) / 5
    merged = merge_copies(
        np.diag([12.0, 4, 5]), frac, np.zeros(4, dtype=int), tolerance=0.1001
    )
    assert merged.copies.tolist() == [[0, 2], [1, 3]]


def test_ordered_species_are_not_merged():
    # Half the cell moves every A onto an A, and every B onto a C.
    frac = np.array(
        [[0, 0, 0], [0.5, 0, 0]]
        + [[0.25, y, 0.5] for y in (0.1, 0.4)]
        + [[0.75, y, 0.5] for y in (0.1, 0.4)]
    )
    kinds = np.array([0, 0, 1, 1, 2, 2])
    merged = merge_copies(np.diag([8.0, 9, 5]), frac, kinds, tolerance=0.1)
    assert merged.copies.shape == (6, 1)


def test_an_absurd_tolerance_keeps_the_composition(quartz, vo2_m1):
    for crystal in (quartz, vo2_m1):
        kinds = np.array(crystal.atomic_numbers)
        cell, frac = np.array(crystal.lattice.matrix), np.array(crystal.frac_coords)
        merged = merge_copies(cell, frac, kinds, tolerance=3.0)
        species = kinds[merged.copies[:, 0]]
        assert (species == 8).sum() == 2 * (species != 8).sum()
        assert sorted(merged.copies.ravel()) == list(range(len(crystal)))


def test_distances_decide_not_the_order_of_atoms(nacl):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(nacl))
    merged = merge_copies(
        np.array(nacl.lattice.matrix),
        nacl.frac_coords[order],
        np.array(nacl.atomic_numbers)[order],
        tolerance=0.1,
    )
    assert merged.copies.shape == (2, 4)
