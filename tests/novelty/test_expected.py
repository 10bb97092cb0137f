"""Strength of bonds, and what is expected of it and of volumes."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from pymatgen.core import Structure

from pyg_sitenet import MergeEquivalent, encode_structure
from pyg_sitenet.novelty import Features, crystal_features
from pyg_sitenet.novelty.bonds import Bonds, bonds_between
from pyg_sitenet.novelty.expected import Expected, fit_expected

GEOMETRY = (0.0, 0.0, 0.0)


def _salt(edge: float) -> Features:
    atoms = bulk("NaCl", "rocksalt", a=edge)
    crystal = Structure.from_ase_atoms(atoms)
    return crystal_features(encode_structure(crystal, max_atoms=100))


def test_strength_is_the_mean_logarithm_of_the_sums_over_neighbours() -> None:
    distances, radii = np.array([2.0, 3.0, 2.5]), np.array([2.0, 2.0, 2.5])
    pairs = np.array([[0, 0, 1], [11, 11, 17], [17, 11, 11]])
    copies, sites = np.array([6, 2, 4]), np.array([1, 3])
    bonds = bonds_between(distances, radii, sites, pairs, copies)
    first, second = 6 + 2 * np.exp(-2.0), 4.0
    assert bonds.strength == pytest.approx(0.25 * np.log(first) + 0.75 * np.log(second))
    assert bonds.shares == pytest.approx(
        {11017: 1.5 / first, 11011: 0.25 * 2 * np.exp(-2.0) / first, 17011: 0.75}
    )


def test_atom_alone_has_next_to_no_bonds() -> None:
    none = np.empty(0)
    pairs = np.empty((3, 0), np.int64)
    bonds = bonds_between(none, none, np.ones(1), pairs, none)
    assert bonds.strength < -20
    assert bonds.shares == {}


def test_shorter_bonds_are_stronger_whatever_the_cell() -> None:
    short, usual, long = (_salt(edge) for edge in (5.0, 5.64, 6.2))
    assert short.bonds.strength > usual.bonds.strength + 0.4
    assert long.bonds.strength < usual.bonds.strength - 0.3
    cubic = Structure.from_ase_atoms(bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    cell = crystal_features(encode_structure(cubic * (2, 1, 1), max_atoms=100))
    assert cell.bonds.strength == pytest.approx(usual.bonds.strength, abs=0.01)


def test_sum_of_terms_is_learnt_and_what_differs_from_it_is_told() -> None:
    random = np.random.default_rng(0)
    own = dict(zip(range(11, 21), random.normal(0, 0.5, 10), strict=True))
    crystals = []
    for _ in range(400):
        first, second = random.choice(range(11, 21), 2, replace=False).tolist()
        shares = {1000 * first + second: 0.5, 1000 * second + first: 0.5}
        strength = own[first] + own[second] + random.normal(0, 0.02)
        elements = tuple(sorted((first, second)))
        crystals.append(Features(elements, GEOMETRY, Bonds(strength, shares)))
    learnt, excess = fit_expected(crystals)
    assert learnt.keys() == excess.keys() == {"bonds", "packing"}
    assert np.median(np.abs(excess["bonds"])) < 0.05
    assert excess["packing"].tolist() == [0.0] * 400  # all are packed alike
    expected, first = learnt["bonds"], crystals[0]
    usual = first.bonds.strength
    stronger = expected.excess(first, 2.0) - expected.excess(first, usual)
    assert stronger == pytest.approx((2.0 - usual) / expected.scale(first))
    assert abs(expected.excess(first, usual)) < 0.15


def test_what_never_occurred_has_the_mean() -> None:
    expected = Expected(mean=0.5)
    crystal = Features((1, 2), GEOMETRY, Bonds(0.75, {1002: 0.5, 2001: 0.5}))
    assert expected.excess(crystal, crystal.bonds.strength) == 0.25


def test_few_crystals_are_enough() -> None:
    salt = _salt(5.64)
    expected, excess = fit_expected([salt])
    assert excess["bonds"].tolist() == excess["packing"].tolist() == [0.0]
    assert np.isfinite(expected["bonds"].excess(salt, salt.bonds.strength))


def test_features_do_not_depend_on_merging(rutile: Structure) -> None:
    plain = encode_structure(rutile, max_atoms=30)
    merged = crystal_features(MergeEquivalent()(plain))
    assert merged.elements == (8, 22)
    assert merged.geometry == pytest.approx(crystal_features(plain).geometry)
    bonds = crystal_features(plain).bonds
    assert merged.bonds.strength == pytest.approx(bonds.strength)
    assert merged.bonds.shares == pytest.approx(dict(bonds.shares))
