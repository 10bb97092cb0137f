"""Positions, cell and periodic axes of a graph, checked."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from ase.geometry import complete_cell
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.data.geometry.lattice import MAX_LENGTH, Floats, minkowski_reduction

Axes: TypeAlias = tuple[bool, bool, bool]
MIN_TRANSLATION = 0.1
"""Angstrom; no atom is so close to its own image."""


def needs_gradient(data: Data) -> bool:
    """Tell whether distances must be differentiable."""
    inputs = [data[name] for name in ("pos", "cell") if name in data]
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)


def positions_of(data: Data) -> Floats:
    """Return the Cartesian coordinates of a graph, [n, 3].

    Raises:
        ValueError: If it has none, or not finite ones of this shape, or if what the
            transforms read is no tensor.
    """
    for name in ("pos", "cell", "batch"):
        if name in data and not isinstance(data[name], Tensor):
            kind = type(data[name]).__name__
            raise ValueError(f"`{name}` must be a tensor, got {kind}; see torch.tensor")
    if "pos" not in data or data.pos.dim() != 2 or data.pos.size(1) != 3:
        shape = [*data.pos.shape] if "pos" in data else "nothing"
        raise ValueError(f"`pos` must have shape [n, 3], got {shape}")
    if not data.pos.is_floating_point():
        raise ValueError(f"`pos` must have a floating type, got {data.pos.dtype}")
    positions: Floats = data.pos.detach().double().cpu().numpy()
    if not np.isfinite(positions).all():
        raise ValueError("`pos` must be finite, got inf or NaN")
    return positions


def periodic_axes(data: Data) -> Axes:
    """Return along which vectors of its cell a graph is periodic: all, unless ``pbc``.

    Raises:
        ValueError: If ``pbc`` has another shape.
    """
    if "cell" not in data:
        return (False, False, False)
    if "pbc" not in data:
        return (True, True, True)
    pbc = torch.as_tensor(data.pbc)
    if pbc.shape not in ((1, 3), (3,)):
        raise ValueError(f"`pbc` must have shape [1, 3], got {[*pbc.shape]}")
    first, second, third = pbc.flatten().bool().tolist()
    return first, second, third


def cell_of(data: Data, axes: Axes) -> Floats:
    """Return the lattice of a graph, [3, 3].

    Vectors of axes that are not periodic may be 0; others stand for them.

    Raises:
        ValueError: If the cell is not [1, 3, 3], has no volume, or repeats after less
            than 0.1 angstrom.
    """
    if data.cell.shape not in ((1, 3, 3), (3, 3)):
        raise ValueError(f"`cell` must have shape [1, 3, 3], got {[*data.cell.shape]}")
    cell: Floats = data.cell.detach().double().cpu().numpy().reshape(3, 3)
    if not np.abs(cell).max() <= MAX_LENGTH:
        raise ValueError(
            f"`cell` must be finite and at most {MAX_LENGTH:g} angstrom long"
        )
    is_open = ~np.array(axes) & ~cell.any(axis=1)
    if is_open.any():
        cell = complete_cell(cell)
    if not abs(np.linalg.det(cell)) > 0:
        raise ValueError(
            "`cell` must have a volume, its rows are the lattice vectors; remove it "
            "from a molecule, or set `pbc` to False along the others"
        )
    shortest = _shortest_translation(cell, axes)
    if shortest < MIN_TRANSLATION:
        raise ValueError(
            f"`cell` repeats every {shortest:.3g} angstrom, less than "
            f"{MIN_TRANSLATION}; give its rows, the lattice vectors, in angstrom"
        )
    return cell


def _shortest_translation(cell: Floats, axes: Axes) -> float:
    """Return the length of the shortest lattice vector along the periodic axes."""
    closed = cell * np.array(axes)[:, None]
    if not all(axes):  # far away along the others, and orthogonal
        far = np.abs(cell).max() * complete_cell(closed)
        closed = np.where(np.array(axes)[:, None], cell, far)
    shortest: Floats = minkowski_reduction(closed)[0] @ closed
    return float(np.linalg.norm(shortest))


def crystal_of(data: Data) -> tuple[Floats, Floats]:
    """Return lattice [3, 3] and fractional coordinates [n, 3] of a crystal.

    Raises:
        ValueError: If it has no sites or no cell, not of these shapes, or is not
            periodic in three directions.
    """
    positions = positions_of(data)
    if not len(positions):
        raise ValueError("`pos` must hold a site or more, got none")
    axes = periodic_axes(data)
    if "cell" not in data:
        raise ValueError(
            "`data` must have `cell` [1, 3, 3], the lattice vectors in rows; for a "
            "molecule take PeriodicRadiusGraph"
        )
    if not all(axes):
        raise ValueError(
            f"`pbc` must be True along all axes, got {list(axes)}; for a slab, a wire "
            "or a molecule take PeriodicRadiusGraph"
        )
    cell = cell_of(data, axes)
    return cell, positions @ np.linalg.inv(cell)
