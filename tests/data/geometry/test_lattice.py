"""Reduction and minimum images against brute force and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice

from pyg_sitenet.data.geometry.lattice import (
    minimum_image_distances,
    minkowski_reduction,
    niggli_reductions,
)

IMAGES = np.array(list(np.ndindex(9, 9, 9))) - 4


def random_cell(rng):
    while True:
        cell = rng.normal(size=(3, 3)) * rng.uniform(1, 8)
        if abs(np.linalg.det(cell)) > 5:
            return cell


def random_unimodular(rng, steps=12):
    matrix = np.eye(3, dtype=int)
    for _ in range(steps):
        i, j = rng.choice(3, 2, replace=False)
        matrix[i] += rng.integers(-2, 3) * matrix[j]
    if rng.random() < 0.5:
        matrix[[0, 1]] = matrix[[1, 0]]
    return matrix


@pytest.mark.parametrize("seed", range(40))
def test_minimum_image_is_the_shortest_of_all_images(seed):
    rng = np.random.default_rng(seed)
    reduced = random_cell(rng)
    reduced = minkowski_reduction(reduced) @ reduced
    vectors = rng.normal(size=(200, 3)) * 20
    near = vectors - np.rint(vectors @ np.linalg.inv(reduced)) @ reduced
    brute = np.linalg.norm(near[:, None] + IMAGES @ reduced, axis=-1).min(axis=1)
    skewed = random_unimodular(rng) @ reduced
    assert np.abs(minimum_image_distances(vectors, skewed) - brute).max() < 1e-9


def test_vectors_on_the_faces_of_the_cell_are_not_overestimated(nacl):
    cell = np.array(nacl.lattice.matrix)
    halves = (np.array(list(np.ndindex(3, 3, 3))) - 1) / 2 @ cell
    lengths = np.linalg.norm(halves, axis=1)
    assert np.allclose(minimum_image_distances(halves, cell), lengths)


def test_chunks_agree_with_the_whole(monkeypatch):
    rng = np.random.default_rng(0)
    cell, vectors = random_cell(rng), rng.normal(size=(100, 3)) * 9
    whole = minimum_image_distances(vectors, cell)
    monkeypatch.setattr("pyg_sitenet.data.geometry.lattice._CHUNK", 7)
    assert np.array_equal(minimum_image_distances(vectors, cell), whole)


@pytest.mark.parametrize("seed", range(40))
def test_niggli_cell_is_the_one_of_pymatgen(seed):
    cell = random_cell(np.random.default_rng(seed))
    own = niggli_reductions(cell)[0] @ cell
    other = Lattice(cell).get_niggli_reduced_lattice(tol=1e-8)
    assert np.allclose(Lattice(own).abc, other.abc, atol=1e-6)
    assert np.allclose(Lattice(own).angles, other.angles, atol=1e-5)


@pytest.mark.parametrize("seed", range(100))
def test_niggli_cell_of_a_special_lattice_is_the_one_of_pymatgen(seed):
    # Small integers: equal lengths and angles, where the extra conditions decide.
    rng = np.random.default_rng(seed)
    cell = np.zeros((3, 3))
    while abs(np.linalg.det(cell)) < 1:
        cell = 3.0 * rng.integers(-2, 3, (3, 3))
    own = niggli_reductions(cell)[0] @ cell
    other = Lattice(cell).get_niggli_reduced_lattice()
    assert np.allclose(Lattice(own).abc, other.abc, atol=1e-6)
    assert np.allclose(Lattice(own).angles, other.angles, atol=1e-4)


@pytest.mark.parametrize("seed", range(40))
def test_niggli_cell_does_not_depend_on_the_setting(seed):
    rng = np.random.default_rng(seed)
    cell = random_cell(rng)
    # Thousandfold skewed, of either hand.
    setting = random_unimodular(rng, steps=20) @ cell * rng.choice([-1, 1])
    reduced = [niggli_reductions(c)[0] @ c for c in (cell, setting)]
    metrics = [c @ c.T for c in reduced]
    assert np.allclose(*metrics, atol=1e-6)
    assert all(np.linalg.det(c) > 0 for c in reduced)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (np.eye(3), 24),  # cubic: the rotations
        ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], 24),
        ([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], 24),
        ([[1, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, 1.6]], 12),  # hexagonal
        ([[1, 0.1, 0.2], [0, 1.2, 0.3], [0, 0, 1.5]], 1),  # triclinic
    ],
)
def test_niggli_forms_are_the_symmetry_of_the_lattice(matrix, expected):
    assert len(niggli_reductions(4 * np.array(matrix, dtype=float))) == expected


@pytest.mark.parametrize("noise", [1e-12, 1e-9, 1e-7, 1e-6, 1e-5])
def test_noise_does_not_choose_another_form(noise):
    rng = np.random.default_rng(0)
    for matrix in (
        [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    ):
        ideal = 4 * np.array(matrix, dtype=float)
        noisy = ideal + rng.normal(size=(3, 3)) * noise
        first, second = (niggli_reductions(c)[0] @ c for c in (ideal, noisy))
        assert np.allclose(first @ first.T, second @ second.T, atol=100 * noise + 1e-9)
