"""The literal bipartite form of a graph: each atom that is seen is its own node."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.data.geometry.supercell import inside_supercell


def unfold(data: Data, *, in_supercell: bool) -> HeteroData:
    """Give each atom that is seen a node of its own.

    Args:
        data: The folded graph, with ``edge_shift``.
        in_supercell: Whether atoms that are equal in the supercell are one.
    """
    image = data.edge_shift.long().numpy()
    if in_supercell:
        image = inside_supercell(image, data.supercell_matrix[0].numpy())
    pairs = np.column_stack([data.edge_index[0].numpy(), image])
    atoms, sender = np.unique(pairs, axis=0, return_inverse=True)
    site_of_atom = torch.from_numpy(np.ascontiguousarray(atoms[:, 0]))
    frame = ("cell", "supercell_matrix", "num_images")
    graph = HeteroData(**{name: data[name] for name in frame})
    graph["site"].z, graph["site"].x = data.z, data.x
    graph["atom"].z = data.z[site_of_atom]
    graph["atom"].num_nodes = len(atoms)
    graph["atom"].image = torch.from_numpy(np.ascontiguousarray(atoms[:, 1:]))
    interacts = graph["atom", "interacts", "site"]
    senders = torch.from_numpy(sender.reshape(-1))
    interacts.edge_index = torch.stack([senders, data.edge_index[1]])
    interacts.edge_attr = data.edge_attr
    if "edge_weight" in data:
        interacts.edge_weight = data.edge_weight
    image_of = graph["atom", "image_of", "site"]
    image_of.edge_index = torch.stack([torch.arange(len(atoms)), site_of_atom])
    return graph
