"""Energies are the predictions, forces and stress their exact derivatives."""

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from pyg_sitenet import load_predictor
from pyg_sitenet.devices import DEVICES
from pyg_sitenet.errors import ConfigError, SiteNetWarning, StructureError
from pyg_sitenet.model_file import load_model, save_model
from pyg_sitenet.prediction.calculator import SiteNetCalculator

STEP = 1e-5  # angstrom, and strain; the maximum over the sites has a kink every 1e-4


@pytest.fixture(scope="module")
def calculator():
    return SiteNetCalculator("formation-energy")


def rattled():
    atoms = bulk("NaCl", "rocksalt", a=5.7, cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def difference(values):
    """Return the derivative from values at -2, -1, 1 and 2 steps."""
    return (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP)


def test_energy_is_the_prediction_of_all_atoms(calculator):
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (2, 1, 1)
    atoms.calc = calculator
    table = load_predictor("formation-energy").predict(atoms)
    expected = 4 * table["formation_energy [eV/atom]"][0]
    assert atoms.get_potential_energy() == pytest.approx(expected, abs=1e-5)
    assert np.abs(atoms.get_forces()).max() < 1e-12


@pytest.mark.parametrize(
    "atoms",
    [bulk("Si", a=5.43, cubic=True) * (2, 1, 1), bulk("MgO", "rocksalt", a=4.2) * 2],
    ids=["Si", "MgO"],
)
def test_forces_of_symmetric_supercells_cancel(calculator, atoms):
    atoms.calc = calculator
    assert np.abs(atoms.get_forces()).max() < 1e-12


def test_forces_are_derivatives_by_positions(calculator):
    atoms = rattled()
    atoms.calc = calculator
    forces = atoms.get_forces()
    for place in ((0, 0), (5, 2)):
        energies = []
        for steps in (-2, -1, 1, 2):
            moved = atoms.copy()
            moved.positions[place] += steps * STEP
            energies.append(calculator.get_potential_energy(moved))
        error = -difference(energies) - forces[place]
        assert abs(error) < 1e-6 * np.abs(forces).max()
    assert np.abs(forces.sum(axis=0)).max() < 1e-10


def test_stress_is_the_derivative_by_strain(calculator):
    atoms = rattled()
    atoms.calc = calculator
    stress = atoms.get_stress(voigt=False)
    for place in ((0, 0), (1, 2)):
        energies = []
        for steps in (-2, -1, 1, 2):
            strain = np.zeros((3, 3))
            strain[place] += steps * STEP / 2
            strain.T[place] += steps * STEP / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(calculator.get_potential_energy(moved))
        error = difference(energies) / atoms.get_volume() - stress[place]
        assert abs(error) < 1e-6 * np.abs(stress).max()


def test_no_energy_is_refused():
    with pytest.raises(ConfigError, match=r"must be an energy in eV/atom, got .* 'eV'"):
        SiteNetCalculator("band-gap")
    with pytest.raises(ConfigError, match="`target` must name the energy, one of form"):
        SiteNetCalculator("formation-energy", target="gap")


def test_an_environment_that_jumps_is_refused(tmp_path):
    model, description = load_model("formation-energy")
    data = description.config.data.model_copy(update={"environment": "supercell"})
    config = description.config.model_copy(update={"data": data})
    path = tmp_path / "model.safetensors"
    save_model(path, model, description.model_copy(update={"config": config}))
    with pytest.raises(ConfigError, match="not continuous with environment=supercell"):
        SiteNetCalculator(path)


def test_a_molecule_is_refused(calculator):
    with pytest.raises(StructureError, match=r"H2O: a molecule or slab without period"):
        calculator.get_potential_energy(molecule("H2O"))


def test_single_precision_agrees(calculator):
    atoms = rattled()
    single = SiteNetCalculator("formation-energy", dtype=torch.float32)
    for name in ("get_forces", "get_stress"):
        pair = [getattr(calc, name)(atoms) for calc in (calculator, single)]
        np.testing.assert_allclose(pair[1], pair[0], rtol=0, atol=1e-5)


def test_crystals_that_are_none_are_refused(calculator):
    twice = bulk("MgO", "rocksalt", a=4.2)
    twice += twice[[0]]
    with pytest.raises(StructureError, match=r"atoms 1 \(Mg\) and 3 \(Mg\) are 0 A ap"):
        calculator.get_potential_energy(twice)
    ghost = bulk("MgO", "rocksalt", a=4.2)
    ghost.numbers[0] = 0
    with pytest.raises(StructureError, match="not a chemical element"):
        calculator.get_potential_energy(ghost)


def test_elements_unknown_to_the_model_are_warned_about_once(calculator):
    atoms = bulk("Fr", "fcc", a=7.0)
    with pytest.warns(SiteNetWarning, match="never seen Fr in training"):
        calculator.get_potential_energy(atoms)
    atoms.rattle(0.01)
    calculator.get_potential_energy(atoms)  # warnings are errors here


def test_oxidation_states_count_as_in_a_prediction(calculator):
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    bare = calculator.get_potential_energy(atoms)
    atoms.set_array("oxi_states", np.array([1.0, -1.0]))
    with pytest.warns(UserWarning, match="oxidation states -1 to 1, training had none"):
        table = load_predictor("formation-energy").predict(atoms)
    expected = 2 * table["formation_energy [eV/atom]"][0]
    calculator.reset()  # ASE does not see that arrays of other names change
    energy = calculator.get_potential_energy(atoms)
    assert energy == pytest.approx(expected, abs=1e-5)
    assert abs(energy - bare) > 1e-4


def test_changed_oxidation_states_and_occupancies_are_seen(calculator):
    atoms = rattled()
    atoms.calc = calculator
    plain = atoms.get_potential_energy()
    atoms.set_array("oxi_states", np.array([1.0, -1.0] * 4))
    charged = atoms.get_potential_energy()
    fresh = atoms.copy()
    fresh.calc = SiteNetCalculator("formation-energy")
    assert charged == pytest.approx(fresh.get_potential_energy(), abs=1e-12)
    assert abs(charged - plain) > 1e-4
    del atoms.arrays["oxi_states"]
    assert atoms.get_potential_energy() == pytest.approx(plain, abs=1e-12)
    atoms.info["occupancy"] = {str(k): {"Na": 0.5} for k in range(8)}
    with pytest.raises(StructureError, match="occup"):
        atoms.get_potential_energy()


def test_devices_and_types_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match=r"unknown device 'gpu', expected one of"):
        SiteNetCalculator("formation-energy", device="gpu")
    with pytest.raises(ConfigError, match=r"`dtype` must be torch.float32 or torch.fl"):
        SiteNetCalculator("formation-energy", dtype=torch.float16)
    assert SiteNetCalculator("formation-energy", device="auto").device.type in DEVICES
