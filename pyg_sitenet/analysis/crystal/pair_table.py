"""The pairs of a crystal: where they are, and what the prediction takes from each."""

from __future__ import annotations

from copy import copy

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from pymatgen.util.coord import pbc_shortest_vectors
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.analysis.crystal.attribution import pair_gradients
from pyg_sitenet.data.geometry.sphere import sphere_radius, taper, taper_slope
from pyg_sitenet.prediction import Predictor, column_name
from pyg_sitenet.transforms import expand_pairs

AXES = ("x", "y", "z")


def attention_column(block: int, head: int) -> str:
    """Return the column of a pair's attention in a block and head, from 1."""
    return f"attention in block {block} head {head}"


def heading(predictor: Predictor, target: str) -> str:
    """Return the heading of a target: its name and unit."""
    return column_name(target, predictor.description.units)


def pair_vectors(
    primitive: Structure, graph: Data, image: Tensor, matrix: Tensor | None
) -> NDArray[np.float64]:
    """Return the vector from the receiver to the atom, ``[E, 3]`` in angstrom.

    Args:
        primitive: The primitive cell.
        graph: Its graph.
        image: Translation of each pair's atom.
        matrix: Supercell whose nearest image is meant; ``None`` for the atom itself.
    """
    frac, cell = primitive.frac_coords, primitive.lattice.matrix
    sender, receiver = graph.edge_index.numpy()
    steps = frac[sender] + image.numpy() - frac[receiver]
    if matrix is None:
        return np.asarray(steps @ cell)
    supercell = type(primitive.lattice)(matrix.numpy() @ cell)
    inside = steps @ np.linalg.inv(matrix.numpy())
    return np.asarray(pbc_shortest_vectors(supercell, np.zeros((1, 3)), inside)[0])


def pair_table(
    predictor: Predictor,
    primitive: Structure,
    graph: Data,
    merged: Data,
    image: Tensor,
    apart: NDArray[np.float64],
) -> pd.DataFrame:
    """Return one row per pair, as an examination describes it.

    Args:
        predictor: The trained model.
        primitive: The primitive cell.
        graph: Its graph, with each pair once.
        merged: The same with equal sites and pairs merged.
        image: Translation of each pair's atom.
        apart: What :func:`pair_vectors` returns.
    """
    sender, receiver = graph.edge_index.numpy()
    symbols = np.array([site.specie.symbol for site in primitive])
    weight = graph.get("edge_weight", torch.ones(graph.num_edges))
    table = {
        "receiver": receiver,
        "sender": sender,
        "receiver element": symbols[receiver],
        "sender element": symbols[sender],
        **dict(zip("abc", image.numpy().T, strict=True)),
        "distance [A]": graph.edge_attr[:, 0].numpy(),
        **{f"{axis} [A]": apart[:, k] for k, axis in enumerate(AXES)},
        "weight": weight.numpy(),
    }
    attention = _attention_columns(predictor, merged)
    return pd.DataFrame(table | attention | _gradients(predictor, primitive, merged))


def _attention_columns(
    predictor: Predictor, merged: Data
) -> dict[str, NDArray[np.float64]]:
    """Return the weight of each original pair; 0 beyond a cutoff of the model."""
    cutoff = predictor.network.config.distance_cutoff
    near = torch.ones(merged.num_edges, dtype=torch.bool, device=predictor.device)
    if cutoff is not None:
        near = merged.edge_attr[:, 0] <= cutoff
    columns = {}
    with torch.inference_mode():
        weights = predictor.network.attention(merged).weights
    for block, alpha in enumerate(weights, start=1):
        every = alpha.new_zeros(merged.num_edges, alpha.size(1))
        every[near] = alpha
        original = expand_pairs(merged, every / merged.edge_multiplicity[:, None])
        for head, column in enumerate(original.cpu().double().numpy().T, start=1):
            columns[attention_column(block, head)] = column
    return columns


def _gradients(
    predictor: Predictor, primitive: Structure, merged: Data
) -> dict[str, NDArray[np.float64]]:
    """Return the gradients of each original pair."""
    gradients = pair_gradients(predictor.network, merged)
    merged = copy(merged).cpu()
    if "edge_weight" in merged:  # it falls with the distance
        limit = predictor.description.config.data.max_atoms
        radius = sphere_radius(primitive.lattice.matrix, len(primitive), limit)
        distance = merged.edge_attr[:, 0].double().numpy()
        slope = taper_slope(distance, radius) / taper(distance, radius)
        slopes = torch.from_numpy(slope)[:, None]
        gradients = gradients._replace(
            distance=gradients.distance + gradients.weight * slopes
        )
    receivers = merged.site_multiplicity[merged.edge_index[1]]
    copies = (merged.edge_multiplicity * receivers)[:, None]
    columns = {}
    for kind, values in zip(("distance", "weight"), gradients, strict=True):
        each = expand_pairs(merged, values / copies).numpy()
        for name, column in zip(predictor.description.outputs, each.T, strict=True):
            columns[f"{kind} gradient of {heading(predictor, name)}"] = column
    return columns
