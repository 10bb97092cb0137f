"""For a script author: band gaps along a molecular-dynamics run with ASE.

Silicon at about 600 K with a Tersoff potential; every tenth frame goes to the predictor
as it is, as ASE atoms. Any trained model serves; without one, a rough one is trained:

    python examples/ase_trajectory.py runs/demo
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms, units
from ase.build import bulk
from ase.calculators.tersoff import Tersoff, TersoffParameters
from ase.md.verlet import VelocityVerlet

from pyg_sitenet import load_predictor, load_preset, train
from pyg_sitenet.config import override

# J. Tersoff, Phys. Rev. B 38, 9902 (1988); energies in eV, lengths in angstrom.
SILICON = TersoffParameters(
    m=3,
    gamma=1.0,
    lambda3=0.0,
    c=1.0039e5,
    d=16.217,
    h=-0.59825,
    n=0.78734,
    beta=1.1e-6,
    lambda2=1.7322,
    B=471.18,
    R=2.85,
    D=0.15,
    lambda1=2.4799,
    A=1830.8,
)


def train_rough_model(folder: Path, epochs: int) -> Path:
    """Train for a moment on the bundled band gaps; good for a demonstration only."""
    settings = ["data.max_atoms=20", f"training.max_epochs={epochs}"]
    config = override(load_preset("default"), settings)
    return train(config, folder / "run", progress=True).folder


def frames(num_frames: int) -> Iterator[Atoms]:
    """Yield every tenth frame of a simulation."""
    atoms = bulk("Si", "diamond", a=5.432, cubic=True)
    atoms.calc = Tersoff({("Si", "Si", "Si"): SILICON})
    atoms.rattle(0.083, seed=0)  # angstrom; half of this energy becomes motion
    dynamics = VelocityVerlet(atoms, units.fs)
    for _ in range(num_frames):
        dynamics.run(10)
        yield atoms.copy()


def main() -> None:
    """Simulate, predict and print a line per frame."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, help="model file or run folder")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10, help="without a model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or train_rough_model(Path(folder), options.epochs)
        predictor = load_predictor(model)

    still = predictor.predict(bulk("Si", "diamond", a=5.432))
    (column,) = predictor.columns
    print(f"perfect crystal: {column} = {still[column][0]:.3f}")

    table = predictor.predict(frames(options.frames))
    print(table.to_string(index=False, float_format="%.3f"))
    print(f"mean over the run: {table[column].mean():.3f}")


if __name__ == "__main__":
    main()
