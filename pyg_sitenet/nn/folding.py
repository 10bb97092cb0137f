"""From the literal bipartite graph back to the folded one."""

from __future__ import annotations

import torch
from torch_geometric.data import Data, HeteroData


def fold(data: HeteroData) -> Data:
    """Let each supercell atom be sent by the unique site that it is an image of.

    Args:
        data: What ``encode_structure(..., unfold=True)`` returns, or a batch of it.

    Returns:
        The graph that ``unfold=False`` gives, with the same pairs.
    """
    pairs = data["atom", "interacts", "site"]
    atom, site = data["atom", "image_of", "site"].edge_index
    unique_site = torch.empty_like(site).scatter_(0, atom, site)
    sender, receiver = pairs.edge_index
    folded = Data(
        z=data["site"].z,
        x=data["site"].x,
        edge_index=torch.stack([unique_site[sender], receiver]),
        edge_attr=pairs.edge_attr,
    )
    if "edge_weight" in pairs:
        folded.edge_weight = pairs.edge_weight
    if "batch" in data["site"]:
        folded.batch = data["site"].batch
        folded.num_graphs = data.num_graphs
    return folded
