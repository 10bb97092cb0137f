"""Neighbours are those that ASE finds, whatever the cell."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_sitenet.data.geometry.neighbours import molecule_pairs, neighbour_pairs


def rows(receiver, sender, image, distance):
    """Return the pairs in one order, and their distances in that order."""
    table = np.column_stack([receiver, sender, image])
    order = np.lexsort(table.T[::-1])
    return table[order].tolist(), distance[order]


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_sites=st.integers(1, 5),
    skew=st.floats(0, 2),
    radius=st.floats(0.5, 6),
    outside=st.booleans(),
)
def test_pairs_are_those_of_ase(seed, num_sites, skew, radius, outside):
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2, 6, 3)) + skew * rng.normal(size=(3, 3))
    if abs(np.linalg.det(cell)) < 30:
        cell += 8 * np.eye(3)
    frac = rng.uniform(-2 if outside else 0, 3 if outside else 1, (num_sites, 3))
    pairs = neighbour_pairs(frac, cell, radius).without_self()
    atoms = Atoms("H" * num_sites, frac @ cell, cell=cell, pbc=True)
    table, expected = rows(*neighbor_list("ijSd", atoms, radius))
    own, distance = rows(pairs.receiver, pairs.sender, pairs.image, pairs.distance)
    assert own == table
    np.testing.assert_allclose(distance, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("radius", [1.0, 1.6, 3.0])
def test_pairs_of_a_molecule_are_those_of_ase(radius):
    atoms = molecule("C2H6CHOH")
    pairs = molecule_pairs(atoms.positions, radius).without_self()
    table, expected = rows(*neighbor_list("ijSd", atoms, radius))
    own, distance = rows(pairs.receiver, pairs.sender, pairs.image, pairs.distance)
    assert own == table
    np.testing.assert_allclose(distance, expected, rtol=0, atol=1e-12)


def test_pairs_are_sorted_and_each_site_sees_itself(triclinic):
    cell, frac = triclinic.lattice.matrix * 1.0, triclinic.frac_coords
    pairs = neighbour_pairs(frac, cell, 5.0)
    table = np.column_stack([pairs.receiver, pairs.sender, pairs.image])
    assert np.array_equal(np.lexsort(table.T[::-1]), np.arange(len(table)))
    assert pairs.receiver[pairs.is_self].tolist() == [*range(32)]
    assert (pairs.distance[pairs.is_self] == 0).all()


def test_an_atom_at_the_radius_is_left_out():
    frac = np.zeros((1, 3))
    assert len(neighbour_pairs(frac, 3 * np.eye(3), 3.0).distance) == 1
    assert len(neighbour_pairs(frac, 3 * np.eye(3), 3.001).distance) == 7
