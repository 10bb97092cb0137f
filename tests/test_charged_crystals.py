"""The crystals of the long-range benchmark have the energies that it says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Species, Structure

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
IONS = [Species("Na", 1), Species("Cl", -1)]
ROCK_SALT = [[0, 0, 0], [0.5, 0.5, 0.5]]


@pytest.fixture(scope="module")
def charged():
    path = BENCHMARKS / "charged_crystals.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its dataclass looks there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


def rock_salt(distance):
    cell = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * distance
    return Structure(Lattice(cell), IONS, ROCK_SALT)


def test_electrostatic_energy_has_the_madelung_constant(charged):
    madelung = -charged.electrostatic_energy(rock_salt(2.8)) * 2 * 2.8 / 14.399645
    assert madelung == pytest.approx(1.747565, abs=1e-5)


@pytest.mark.parametrize("radius", [5.0, 8.0, 13.0])
def test_a_local_sum_comes_close_to_the_electrostatic_energy_of_rock_salt(
    charged, radius
):
    salt = rock_salt(2.8)
    exact = charged.electrostatic_energy(salt)
    assert charged.truncated_energy(salt, radius) == pytest.approx(exact, rel=0.01)


def test_control_ends_at_its_cutoff_and_the_electrostatic_energy_does_not(charged):
    assert charged.control_energy(rock_salt(5.01)) == 0
    assert charged.control_energy(rock_salt(4.0)) != 0
    assert charged.electrostatic_energy(rock_salt(5.01)) < -2


def test_control_is_the_sum_over_pairs_and_has_no_step(charged):
    distance = 3.0  # neighbours at 3 and 4.24 A, the next at 5.2 A
    result = 0.0
    for number, away, contact in [
        (6, distance, 1.02 + 1.81),
        (6, distance * 2**0.5, 2 * 1.02),
        (6, distance * 2**0.5, 2 * 1.81),
    ]:
        end = (1 + np.cos(np.pi * away / 5)) / 2
        pair = np.exp((contact - away) / 0.5) - 0.1 * (contact / away) ** 6
        result += 0.5 * number * pair * end
    assert charged.control_energy(rock_salt(distance)) == pytest.approx(result)
    near, beyond = (charged.control_energy(rock_salt(d)) for d in (4.9999, 5.0001))
    assert abs(near - beyond) < 1e-9


def test_geometries_are_real_ions_half_and_half_and_cells_neutral(charged):
    first, second = (charged.charged_crystals(1, seed)[:20] for seed in (0, 1))
    for (item,), (other,) in zip(first, second, strict=True):
        assert item.structure.charge == 0
        assert item.structure.volume / len(item.structure) == pytest.approx(22.4)
        assert item.id == other.id
    assert [c.energies for (c,) in first] != [c.energies for (c,) in second]
