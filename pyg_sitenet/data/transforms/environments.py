"""Transforms that pair the atoms of a crystal or a molecule."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import SupportsFloat

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_sitenet.data.geometry.neighbours import molecule_pairs, neighbour_pairs
from pyg_sitenet.data.geometry.pairs import Pairs
from pyg_sitenet.data.geometry.sphere import TAPER, sphere_pairs
from pyg_sitenet.data.geometry.supercell import supercell_pairs
from pyg_sitenet.data.transforms.atoms import (
    cell_of,
    crystal_of,
    needs_gradient,
    periodic_axes,
    positions_of,
)
from pyg_sitenet.data.transforms.batches import graph_by_graph
from pyg_sitenet.data.transforms.pair_geometry import pair_distances
from pyg_sitenet.errors import ConfigError


class _Pairing(BaseTransform):
    """Finds pairs and sets ``edge_index``, ``edge_shift`` and ``edge_dist``."""

    def forward(self, data: Data) -> Data:
        """Set the pairs; ``data`` itself stays as it is."""
        if isinstance(data, Batch):
            return graph_by_graph(self, data)
        if not isinstance(data, Data):
            raise TypeError(
                f"expected `Data`, got {type(data).__name__}; {self} takes a graph "
                "with nodes of one kind"
            )
        pairs = self._find(data)
        _remove_pairs(data)
        device = data.pos.device
        index = torch.from_numpy(np.stack([pairs.sender, pairs.receiver]))
        data.edge_index = index.to(device)
        data.edge_shift = torch.from_numpy(pairs.shift.astype(np.int32)).to(device)
        if needs_gradient(data):
            data.edge_dist = pair_distances(data)
        else:
            data.edge_dist = torch.from_numpy(pairs.distance).to(data.pos)
        self._add(data, pairs)
        return data

    @abstractmethod
    def _find(self, data: Data) -> Pairs:
        """Return the pairs."""

    def _add(self, data: Data, pairs: Pairs) -> None:
        """Set what else comes with them."""


@functional_transform("periodic_radius_graph")
class PeriodicRadiusGraph(_Pairing):
    """Pairs each atom with all atoms within a radius, images across the cell included.

    Without a ``cell`` it is that of a molecule, and along axes whose ``pbc`` is False
    that of a slab or a wire. Distances are differentiable by ``pos`` and ``cell`` where
    these require gradients.

    Args:
        radius: Angstrom.
        loop: Also pair each atom with itself, at distance 0. (default: ``False``)

    Shapes:
        - **input:** ``pos [n, 3]``, and of a crystal ``cell [1, 3, 3]``, rows are the
          lattice vectors; angstrom; ``pbc [1, 3]`` *(optional)*, and ``batch [n]``
          *(optional)* of molecules that do not see each other
        - **output:** ``edge_index [2, E]`` from the atom seen to the one that sees it,
          sorted by the latter; ``edge_shift [E, 3]``, the lattice translation of the
          atom seen; ``edge_dist [E]``

    Raises:
        ValueError: If ``radius``, ``pos`` or ``cell`` is not as described.
    """

    def __init__(self, radius: SupportsFloat, *, loop: bool = False) -> None:
        self.radius = _number(radius)
        if not 0 < self.radius < math.inf:
            raise ValueError(
                f"`radius` must be a finite number above 0, got {radius!r}"
            )
        self.loop = loop

    def _find(self, data: Data) -> Pairs:
        positions, axes = positions_of(data), periodic_axes(data)
        if any(axes):
            cell = cell_of(data, axes)
            frac = positions @ np.linalg.inv(cell)
            pairs = neighbour_pairs(frac, cell, self.radius, axes)
        else:
            pairs = molecule_pairs(positions, self.radius)
        if "batch" in data:
            batch = data.batch.cpu().numpy()
            pairs = pairs.where(batch[pairs.sender] == batch[pairs.receiver])
        return pairs if self.loop else pairs.without_self()

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.radius}, loop={self.loop})"


class _Counted(_Pairing):
    def __init__(self, max_atoms: int) -> None:
        if (
            not isinstance(max_atoms, int | float | np.number)
            or not 1 <= max_atoms < math.inf
        ):
            raise ValueError(
                f"`max_atoms` must be at least 1 and finite, got {max_atoms!r}"
            )
        self.max_atoms: int = max_atoms

    def _add(self, data: Data, pairs: Pairs) -> None:
        matrix = torch.from_numpy(pairs.supercell_matrix).to(data.pos.device)
        data.supercell_matrix = matrix[None]
        num_images = round(abs(np.linalg.det(pairs.supercell_matrix)))
        data.num_images = matrix.new_tensor([num_images])

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.max_atoms})"


@functional_transform("sphere")
class Sphere(_Counted):
    """Pairs each atom with those in a sphere that has ``max_atoms`` on average.

    The outermost have weights that fall to 0 at the radius, so that what depends on
    them is continuous when atoms move. The same for every cell of a crystal.

    Args:
        max_atoms: Mean number of atoms in the sphere, the atom itself among them.

    Shapes:
        - **input:** ``pos [n, 3]``, ``cell [1, 3, 3]``
        - **output:** as of :class:`PeriodicRadiusGraph` with ``loop=True``,
          ``edge_weight [E]``, ``supercell_matrix [1, 3, 3]`` (the cell itself) and
          ``num_images [1]``

    Raises:
        ValueError: If an argument is not as described.
    """

    def _find(self, data: Data) -> Pairs:
        return sphere_pairs(*crystal_of(data), self.max_atoms)

    def _add(self, data: Data, pairs: Pairs) -> None:
        super()._add(data, pairs)
        if needs_gradient(data):
            data.edge_weight = self._weight(data)
        else:
            data.edge_weight = torch.from_numpy(pairs.weight).to(data.pos)

    def _weight(self, data: Data) -> Tensor:
        """Return the weights with gradients: the radius depends on the cell."""
        volume = data.cell.view(3, 3).det().abs() / data.pos.size(0)
        radius = (3 * self.max_atoms * volume / (4 * math.pi)) ** (1 / 3)
        rest = ((1 - data.edge_dist / radius) / TAPER).clamp(0, 1)
        weight: Tensor = rest**3 * (10 - 15 * rest + 6 * rest**2)
        # Its logarithm has a gradient, too.
        return weight.clamp_min(torch.finfo(weight.dtype).tiny)


@functional_transform("supercell")
class Supercell(_Counted):
    """Pairs each atom with all atoms of a roughly cubic supercell, as Site-Net does.

    Distances are those of the nearest images in the supercell. They jump from one image
    to another where two are equally near: forces are those of the images chosen.

    Args:
        max_atoms: Most atoms the supercell may have; a larger cell is kept.

    Shapes:
        - **input:** ``pos [n, 3]``, ``cell [1, 3, 3]``; a primitive cell makes the most
          of the atoms
        - **output:** as of :class:`PeriodicRadiusGraph` with ``loop=True``,
          ``supercell_matrix [1, 3, 3]`` and ``num_images [1]``

    Raises:
        ValueError: If an argument is not as described.
    """

    def _find(self, data: Data) -> Pairs:
        return supercell_pairs(*crystal_of(data), self.max_atoms)


def _number(value: SupportsFloat) -> float:
    """Return a number of whichever library, nan for anything else."""
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan


def _remove_pairs(data: Data) -> None:
    """Remove what other pairs have left."""
    keys = [*data.keys()]
    old = [key for key in keys if "edge_index" in data and data.is_edge_attr(key)]
    for key in {*old, "supercell_matrix", "num_images"} & {*keys}:
        del data[key]


ENVIRONMENTS: dict[str, Callable[[int], BaseTransform]] = {
    "supercell": Supercell,
    "sphere": Sphere,
}
"""What each site of a crystal attends to, by its name in settings."""


def find_environment(name: str) -> Callable[[int], BaseTransform]:
    """Return the environment of that name, to be called with ``max_atoms``.

    Raises:
        ConfigError: If there is none.
    """
    if name not in ENVIRONMENTS:
        names = ", ".join(sorted(ENVIRONMENTS))
        raise ConfigError(f"unknown environment {name!r}, expected one of: {names}")
    return ENVIRONMENTS[name]
