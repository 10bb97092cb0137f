"""A trained model of an energy as an ASE calculator: energy, forces and stress."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import chemical_symbols
from ase.stress import full_3x3_to_voigt_6_stress
from pymatgen.core import Structure
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from pyg_sitenet.data.graph.encode import oxidation_states, site_features
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.data.transforms.coulomb_pairs import CoulombPairs
from pyg_sitenet.data.transforms.environments import Sphere
from pyg_sitenet.devices import as_device
from pyg_sitenet.errors import ConfigError, SiteNetWarning
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import mean_and_spread, networks_of


class SiteNetCalculator(Calculator):
    """Energy, forces and stress of a crystal from a model of an energy per atom.

    The energy is that of the cell, in eV: the prediction times the number of atoms.
    Forces (eV/A) and stress (eV/A^3, in ASE's order and sign) are its exact
    derivatives. They are as good as the model: one trained on relaxed crystals alone
    knows little of the slopes around them, and those of ``default`` jump where the
    maximum over the sites passes from one site to another.

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
        if dtype not in (torch.float32, torch.float64):
            raise ConfigError(
                f"`dtype` must be torch.float32 or torch.float64, got {dtype!r}"
            )
        self.device, self.dtype = as_device(device), dtype
        network, description = load_model(model)
        self._column = _column_of(description, target, model)
        self._elements = set(description.elements)
        self.model = network.to(self.device, dtype).eval().requires_grad_(False)
        for part in networks_of(network):
            part.site_embedding.settle()
        self.transform = Compose(
            [Sphere(description.config.data.max_atoms), CoulombPairs()]
        )

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute all properties at once; warn once of elements unknown to the model.

        Raises:
            StructureError: If the crystal cannot be predicted: it is not periodic in
                three directions, or has atoms closer than 0.5 A or of no element.
        """
        super().calculate(  # type: ignore[no-untyped-call]
            atoms, properties, system_changes
        )
        atoms = cast("Atoms", self.atoms)
        structure = load_structure(atoms)
        self._warn_of_elements(atoms)
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        positions = torch.tensor(atoms.positions, requires_grad=True, **place)
        strain = torch.zeros(3, 3, requires_grad=True, **place)
        energy = len(atoms) * self._energy_per_atom(structure, positions, strain)
        slopes = torch.autograd.grad(energy, [positions, strain])
        gradient, virial = (slope.double().cpu().numpy() for slope in slopes)
        stress = (virial + virial.T) / (2 * atoms.get_volume())
        self.results = {
            "energy": energy.item(),
            "free_energy": energy.item(),
            "forces": -gradient,
            "stress": full_3x3_to_voigt_6_stress(stress),
        }

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Return what has changed since the last calculation.

        Oxidation states and occupancies count, which ASE does not look at.
        """
        changes: list[str] = super().check_state(  # type: ignore[no-untyped-call]
            atoms, tol
        )
        known = self.atoms
        if known is not None and not changes and _described(known) != _described(atoms):
            changes.append("initial_charges")  # the nearest that ASE has a name for
        return changes

    def _warn_of_elements(self, atoms: Atoms) -> None:
        unseen = sorted(set(atoms.numbers.tolist()) - self._elements)
        if unseen and self._elements:
            names = ", ".join(chemical_symbols[number] for number in unseen)
            warnings.warn(
                f"the model has never seen {names} in training",
                SiteNetWarning,
                stacklevel=3,
            )
            self._elements.update(unseen)

    def _energy_per_atom(
        self, structure: Structure, positions: Tensor, strain: Tensor
    ) -> Tensor:
        place: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        cell = torch.tensor(np.array(structure.lattice.matrix), **place)
        numbers = np.array([site.specie.Z for site in structure])
        stretch = torch.eye(3, **place) + strain
        data = Data(
            z=torch.tensor(numbers, device=self.device),
            x=site_features(numbers, oxidation_states(structure)).to(positions),
            pos=positions @ stretch,
            cell=(cell @ stretch)[None],
        )
        values, _ = mean_and_spread(self.model, self.transform(data))
        energy: Tensor = values[0, self._column]
        return energy


def _described(atoms: Atoms) -> tuple[object, ...]:
    """Return what of a crystal is read beside what ASE compares."""
    names = ("oxi_states", "spacegroup_kinds", "occupancy", "occupancies")
    arrays = [atoms.arrays[name].tolist() for name in names if name in atoms.arrays]
    return arrays, atoms.info.get("occupancy")


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
