"""Translated copies against a plain search over all atoms."""

from __future__ import annotations

import numpy as np
import pytest

from pyg_sitenet.data.lattice import minimum_image_distances
from pyg_sitenet.data.translations import merge_copies


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
