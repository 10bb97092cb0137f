"""The supercell and its distances against the reference and brute force."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from pyg_sitenet.data.geometry.supercell import make_supercell, supercell_pairs
from pyg_sitenet.errors import SiteNetWarning, StructureError

REFERENCE = json.loads(
    (Path(__file__).parents[2] / "reference/supercells.json").read_text()
)
# Shears of exactly 1/2 that rounding noise took the other way in the reference: the
# supercells are equivalent.
ROUNDING_TIES = {("Fe_bcc", "20"), ("Fe_bcc", "100"), ("Fe_bcc", "500")}
CASES = list(itertools.product(REFERENCE, ("20", "50", "100", "500")))


def primitive(name):
    entry = REFERENCE[name]["primitive"]
    return np.array(entry["lattice"]), np.array(entry["frac"])


@pytest.mark.parametrize(("name", "limit"), CASES)
def test_supercell_matrix_is_the_reference(name, limit):
    cell, frac = primitive(name)
    expected = np.array(REFERENCE[name]["limits"][limit]["T"])
    matrix = make_supercell(cell, len(frac), int(limit))
    if (name, limit) not in ROUNDING_TIES:
        assert matrix.tolist() == expected.tolist()
    assert np.diag(matrix).tolist() == np.diag(expected).tolist()


@pytest.mark.parametrize(("name", "limit"), CASES)
def test_distances_are_the_reference(name, limit):
    expected = REFERENCE[name]["limits"][limit]
    distance = supercell_pairs(*primitive(name), int(limit)).distance
    assert distance.sum() == pytest.approx(expected["D_sum"], abs=1e-6)
    assert distance.max() == pytest.approx(expected["D_max"], abs=1e-9)
    assert len(distance) == np.prod(expected["D_shape"])
    shells = np.repeat(expected["unique_distances"], expected["counts"])
    assert np.abs(np.sort(distance)[: len(shells)] - shells).max() < 2e-3


@pytest.mark.parametrize("name", REFERENCE)
def test_rotation_noise_does_not_choose_the_supercell(name):
    cell, frac = primitive(name)
    rng = np.random.default_rng(0)
    for limit in (20, 50, 100, 500):
        expected = make_supercell(cell, len(frac), limit)
        for _ in range(5):
            rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            result = make_supercell(cell @ rotation, len(frac), limit)
            assert result.tolist() == expected.tolist()


def test_supercell_is_nearly_cubic():
    # By hand: edges 2, 3 and 6 fit 3 x 2 x 1 times (18 atoms of 3), not 4 x 2 x 1.
    matrix = make_supercell(np.diag([2.0, 3.0, 6.0]), num_sites=3, max_atoms=20)
    assert matrix.tolist() == [[3, 0, 0], [0, 2, 0], [0, 0, 1]]


def test_a_limit_that_is_met_exactly_is_used():
    assert make_supercell(np.eye(3) * 4, 2, 16).tolist() == (2 * np.eye(3)).tolist()


def test_the_first_of_equal_edges_grows():
    matrix = make_supercell(np.eye(3) * 4, num_sites=1, max_atoms=2)
    assert np.diag(matrix).tolist() == [2, 1, 1]


def test_pairs_are_the_nearest_images(triclinic):
    cell, frac = np.array(triclinic.lattice.matrix), np.array(triclinic.frac_coords)
    pairs = supercell_pairs(cell, frac, 200)
    supercell = pairs.supercell_matrix @ cell
    offsets = (np.array(list(np.ndindex(7, 7, 7))) - 3) @ supercell
    chosen = np.random.default_rng(0).choice(len(pairs.distance), 300)
    sender, receiver = pairs.sender[chosen], pairs.receiver[chosen]
    vectors = (frac[sender] + pairs.image[chosen] - frac[receiver]) @ cell
    brute = np.linalg.norm(vectors[:, None] + offsets, axis=-1).min(axis=1)
    assert np.abs(brute - pairs.distance[chosen]).max() < 1e-9


def test_pairs_cover_every_atom_of_the_supercell_once(quartz):
    cell, frac = np.array(quartz.lattice.matrix), np.array(quartz.frac_coords)
    pairs = supercell_pairs(cell, frac, 100)
    atoms = np.column_stack([pairs.receiver, pairs.sender, pairs.image])
    assert len(np.unique(atoms, axis=0)) == len(atoms) == 9 * 72
    # Inequivalent modulo the supercell: their fractions there are distinct.
    inverse = np.linalg.inv(pairs.supercell_matrix)
    inside = (pairs.image[: 72 // 9] @ inverse + 1e-9) % 1
    assert len(np.unique(inside.round(6), axis=0)) == 8


def test_an_atom_is_at_zero_distance_of_itself_alone(iron):
    pairs = supercell_pairs(iron.lattice.matrix * 1.0, iron.frac_coords[:1], 60)
    assert pairs.distance[pairs.is_self].tolist() == [0]
    assert pairs.distance[~pairs.is_self].min() == pytest.approx(2.8665)


def test_a_primitive_cell_above_the_limit_is_kept_with_a_warning(triclinic):
    cell, frac = np.array(triclinic.lattice.matrix), np.array(triclinic.frac_coords)
    with pytest.warns(SiteNetWarning, match="32 sites, more than max_atoms=20"):
        pairs = supercell_pairs(cell, frac, 20)
    assert pairs.supercell_matrix.tolist() == np.eye(3).tolist()
    assert len(pairs.distance) == 32 * 32


def test_a_cell_beyond_all_memory_is_refused():
    frac = np.random.default_rng(0).random((10_000, 3))
    with pytest.raises(StructureError, match=r"has 10000 sites, too many .* 2236"):
        supercell_pairs(np.eye(3) * 50, frac, 100)


def test_blocks_of_receivers_agree_with_the_whole(quartz, monkeypatch):
    cell, frac = np.array(quartz.lattice.matrix), np.array(quartz.frac_coords)
    whole = supercell_pairs(cell, frac, 100).distance
    monkeypatch.setattr("pyg_sitenet.data.geometry.supercell._CHUNK", 150)
    assert np.array_equal(supercell_pairs(cell, frac, 100).distance, whole)
