"""For a script author: forces and stress of a learnt energy, in a relaxation with ASE.

A network learns the lattice energy of strained rock salt (Ewald sum and Born-Mayer
repulsion, so that the truth is known), then relaxes a strained crystal:

    python examples/relax_strained_salt.py
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.optimize import minimize_scalar
from torch_geometric.data import Data

from pyg_sitenet import SiteNetCalculator, load_preset, train
from pyg_sitenet.config import override
from pyg_sitenet.transforms import PeriodicRadiusGraph

DISTANCE, SOFTNESS = 2.82, 0.321  # angstrom, of Na-Cl at rest and of the repulsion
COULOMB, MADELUNG = 14.399645, 1.747565  # eV angstrom; of rock salt
STEEPNESS = MADELUNG * COULOMB * SOFTNESS / (6 * DISTANCE**2)  # eV, no force at rest


def lattice_energy(atoms: Atoms) -> float:
    """Return the true energy per atom in eV."""
    structure = AseAtomsAdaptor.get_structure(atoms)
    structure.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    pairs = PeriodicRadiusGraph(3.6)(
        Data(
            pos=torch.tensor(atoms.positions),
            cell=torch.tensor(atoms.cell.array)[None],
        )
    )
    repulsion = STEEPNESS * torch.exp((DISTANCE - pairs.edge_dist) / SOFTNESS).sum() / 2
    return (EwaldSummation(structure).total_energy + repulsion.item()) / len(atoms)


def strained(strain: np.ndarray) -> Atoms:
    """Return the primitive cell of rock salt, deformed."""
    atoms = bulk("NaCl", "rocksalt", a=2 * DISTANCE)
    atoms.set_cell(atoms.cell @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    return atoms


def write_crystals(path: Path, number: int) -> None:
    """Write strained crystals with their energies as a table."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for place in range(number):
            size = rng.uniform(-0.06, 0.06) * np.eye(3)
            atoms = strained(size + rng.normal(scale=0.02, size=(3, 3)))
            structure = {
                "lattice": atoms.cell.tolist(),
                "species": atoms.get_chemical_symbols(),
                "frac_coords": atoms.get_scaled_positions().tolist(),
            }
            energy = {"energy [eV/atom]": lattice_energy(atoms)}
            row = {"id": f"s{place}", **energy, "structure": structure}
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Train, relax, and compare with the lowest energy of the undistorted crystal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_crystals(folder / "salt.jsonl", options.crystals)
        settings = [f"data.source={folder / 'salt.jsonl'}", "data.targets=[energy]",
                    "data.environment=sphere", "data.max_atoms=40", "data.workers=1",
                    "model.pooling=mean",  # a maximum over the sites has kinks
                    f"training.max_epochs={options.epochs}"]  # fmt: skip
        config = override(load_preset("default"), settings)
        calculator = SiteNetCalculator(train(config, folder / "run").folder)

    atoms = strained(np.random.default_rng(1).normal(scale=0.03, size=(3, 3)))
    atoms.calc = calculator
    print(f"strained: {atoms.get_potential_energy() / 2:.6f} eV/atom")
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-5, steps=500)
    a = (4 * atoms.get_volume()) ** (1 / 3)
    print(f"relaxed: {atoms.get_potential_energy() / 2:.6f} eV/atom, a = {a:.4f} A")

    def energy(a: float) -> float:
        return calculator.get_potential_energy(bulk("NaCl", "rocksalt", a=a)) / 2

    best = minimize_scalar(energy, bounds=(5.3, 6.0), options={"xatol": 1e-6})
    print(f"lowest of undistorted: {best.fun:.6f} eV/atom, a = {best.x:.4f} A")
    truth = lattice_energy(bulk("NaCl", "rocksalt", a=2 * DISTANCE))
    print(f"truth: {truth:.6f} eV/atom, a = {2 * DISTANCE:.4f} A")


if __name__ == "__main__":
    main()
