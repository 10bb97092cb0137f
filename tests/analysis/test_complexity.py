"""Hornfeck's complexities against reference values."""

import json
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Element, Lattice, Structure

from pyg_sitenet.analysis.complexity import structural_complexity
from pyg_sitenet.errors import StructureError

REFERENCE = Path(__file__).parents[1] / "reference"
VALUES = {
    name.removesuffix("/prim"): numbers
    for name, numbers in json.loads((REFERENCE / "complexity.json").read_text()).items()
}
CRYSTALS = json.loads((REFERENCE / "supercells.json").read_text())


def crystal(name: str, form: str = "input") -> Structure:
    cell = CRYSTALS[name][form]
    species = [Element.from_Z(z) for z in cell["Z"]]
    return Structure(cell["lattice"], species, cell["frac"])


@pytest.mark.parametrize("form", ["input", "primitive"])
@pytest.mark.parametrize("name", VALUES)
def test_reference_values(name, form):
    result, expected = structural_complexity(crystal(name, form)), VALUES[name]
    ours = {
        "I_comb": result.combinatorial,
        "I_comb_max": result.combinatorial_max,
        "I_coor": result.coordinational,
        "I_coor_max": result.coordinational_max,
        "I_conf": result.configurational,
        "I_conf_max": result.configurational_max,
        "I_conf_tot": result.configurational_total,
        "I_conf_density": result.configurational_total / result.volume,
        "arity_sum": sum(result.arities),
        "positions_primuc": sum(result.multiplicities),
        "unique_species": len(result.multiplicities),
    }
    for key, value in ours.items():
        assert value == pytest.approx(expected[key], abs=1e-6), key


def test_cell_and_setting_do_not_matter(quartz):
    expected = structural_complexity(quartz)
    other = quartz.copy()
    other.make_supercell([[2, 1, 0], [0, 1, 0], [0, 0, 2]])
    other.translate_sites(range(len(other)), [0.1, 0.2, 0.3])
    result = structural_complexity(other)
    assert sorted(result.multiplicities) == sorted(expected.multiplicities)
    assert result.configurational == pytest.approx(expected.configurational)
    assert result.volume == pytest.approx(expected.volume)


def test_general_positions_have_three_coordinates(triclinic):
    result = structural_complexity(triclinic)
    assert result.arities == (3,) * 16
    assert result.multiplicities == (2,) * 16


def test_oxidation_states_tell_sites_apart():
    chain = Structure(Lattice.cubic(4), ["Fe2+", "Fe3+"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert structural_complexity(chain).combinatorial == pytest.approx(1)


def test_crystal_without_symmetry_to_be_found_is_named():
    lattice = Lattice.cubic(4)
    near = Structure(lattice, ["H", "H"], [[0, 0, 0], [1e-6, 0, 0]])
    with pytest.raises(
        StructureError, match=r"H2: no symmetry can be found within 0\.01"
    ):
        structural_complexity(near)


def test_entropy_grows_with_the_number_of_orbits():
    values = [
        structural_complexity(crystal(name)).combinatorial
        for name in ("diamond", "NaCl", "SrTiO3")
    ]
    assert np.all(np.diff(values) > 0)
