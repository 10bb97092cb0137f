"""A trained model of an energy as an ASE calculator: energy, forces and stress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from pyg_sitenet.data.graph.encode import site_features
from pyg_sitenet.data.transforms.coulomb_pairs import CoulombPairs
from pyg_sitenet.data.transforms.environments import Sphere
from pyg_sitenet.errors import ConfigError, StructureError
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import mean_and_spread, networks_of


class SiteNetCalculator(Calculator):
    """Energy, forces and stress of a crystal from a model of an energy per atom.

    The energy is that of the cell, in eV: the prediction times the number of atoms.
    Forces (eV/A) and stress (eV/A^3, in ASE's order and sign) are its exact
    derivatives. They are as good as the model: one trained on relaxed crystals alone
    knows little of the slopes around them.

    Args:
        model: A model file, a run folder, or the name of a ready model such as
            ``"formation-energy"``; trained with ``environment=sphere``, whose energy is
            continuous.
        target: Which of several targets is the energy. (default: the only one)
        device: Where to compute.
        dtype: Precision; relaxations need ``torch.float64``. (default)
        **options: For :class:`ase.calculators.calculator.Calculator`.

    Raises:
        ConfigError: If the model has no energy in eV/atom, or another environment.
        ModelFileError: If the file is damaged or not one of ours.

    Example:
        .. code-block:: python

            atoms = bulk("NaCl", "rocksalt", a=5.8)
            atoms.calc = SiteNetCalculator("formation-energy")
            atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    """

    implemented_properties: list[str] = [  # noqa: RUF012, as ASE declares it
        "energy", "free_energy", "forces", "stress",
    ]  # fmt: skip

    def __init__(
        self,
        model: str | Path,
        *,
        target: str | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float64,
        **options: Any,  # noqa: ANN401, handed to Calculator as they are
    ) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        network, description = load_model(model)
        self._column = _column_of(description, target, model)
        self.model = network.to(device, dtype).eval().requires_grad_(False)
        for part in networks_of(network):
            part.site_embedding.settle()
        self.transform = Compose(
            [Sphere(description.config.data.max_atoms), CoulombPairs()]
        )
        self.device, self.dtype = torch.device(device), dtype

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute all properties at once.

        Raises:
            StructureError: If the crystal is not periodic in three directions.
        """
        super().calculate(  # type: ignore[no-untyped-call]
            atoms, properties, system_changes
        )
        atoms = cast("Atoms", self.atoms)
        if not atoms.pbc.all() or not atoms.cell.rank == 3:
            raise StructureError(
                "the crystal must be periodic in three directions, got "
                f"pbc={atoms.pbc.tolist()}; set atoms.pbc = True and a cell"
            )
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        positions = torch.tensor(atoms.positions, requires_grad=True, **place)
        strain = torch.zeros(3, 3, requires_grad=True, **place)
        energy = len(atoms) * self._energy_per_atom(atoms, positions, strain)
        slopes = torch.autograd.grad(energy, [positions, strain])
        gradient, virial = (slope.double().cpu().numpy() for slope in slopes)
        stress = (virial + virial.T) / (2 * atoms.get_volume())
        self.results = {
            "energy": energy.item(),
            "free_energy": energy.item(),
            "forces": -gradient,
            "stress": full_3x3_to_voigt_6_stress(stress),
        }

    def _energy_per_atom(
        self, atoms: Atoms, positions: Tensor, strain: Tensor
    ) -> Tensor:
        cell = torch.tensor(np.array(atoms.cell), dtype=self.dtype, device=self.device)
        stretch = torch.eye(3, dtype=self.dtype, device=self.device) + strain
        data = Data(
            z=torch.tensor(atoms.numbers, device=self.device),
            x=site_features(atoms.numbers).to(positions),
            pos=positions @ stretch,
            cell=(cell @ stretch)[None],
        )
        values, _ = mean_and_spread(self.model, self.transform(data))
        energy: Tensor = values[0, self._column]
        return energy


def _column_of(
    description: ModelDescription, target: str | None, model: str | Path
) -> int:
    """Return the output that is the energy.

    Raises:
        ConfigError: If there is none, or if it is not continuous.
    """
    targets, data = description.targets, description.config.data
    if target is None and len(targets) == 1:
        target = targets[0]
    if target not in targets or data.classes:
        raise ConfigError(
            f"{model}: `target` must name the energy, one of {', '.join(targets)} and "
            f"no classes beside it, got {target!r}"
        )
    unit = description.units.get(target, "")
    if unit != "eV/atom":
        raise ConfigError(
            f"{model}: {target!r} must be an energy in eV/atom, got the unit {unit!r}; "
            "take a model of one, such as formation-energy"
        )
    if data.environment != "sphere":
        raise ConfigError(
            f"{model}: the energy is not continuous with environment="
            f"{data.environment}; train with data.environment=sphere"
        )
    return targets.index(target)
