"""CGCNN and SchNet of PyTorch Geometric for crystals, and the graphs they read."""

from __future__ import annotations

import numpy as np
import torch
from pymatgen.core import Structure
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import CGConv, global_mean_pool
from torch_geometric.nn.models import SchNet
from torch_geometric.nn.models.schnet import GaussianSmearing

from pyg_sitenet.data import to_primitive


class CGCNN(nn.Module):
    """Crystal graph convolutions with a softplus head (Xie and Grossman, 2018)."""

    neighbours, cutoff = 12, 8.0  # the second in angstrom

    def __init__(self, channels: int = 64, hidden: int = 128, layers: int = 3) -> None:
        super().__init__()
        self.embedding = nn.Embedding(119, channels)
        self.distance = GaussianSmearing(0.0, self.cutoff, 41)  # every 0.2 angstrom
        self.convs = nn.ModuleList(
            CGConv(channels, dim=41, batch_norm=True) for _ in range(layers)
        )
        self.head = nn.Sequential(
            nn.Softplus(),
            nn.Linear(channels, hidden),
            nn.Softplus(),
            nn.Linear(hidden, 1),
        )

    def forward(self, batch: Batch) -> Tensor:
        """Return one value per crystal, ``[B, 1]``."""
        x = self.embedding(batch.z)
        features = self.distance(batch.distance)
        for conv in self.convs:
            x = conv(x, batch.edge_index, features)
        out: Tensor = self.head(global_mean_pool(x, batch.batch, batch.num_graphs))
        return out


class PeriodicSchNet(nn.Module):
    """PyG's SchNet on neighbours that are given, images included."""

    neighbours, cutoff = 32, 10.0

    def __init__(self, channels: int = 128, interactions: int = 6) -> None:
        super().__init__()
        self.schnet = SchNet(
            hidden_channels=channels,
            num_filters=channels,
            num_interactions=interactions,
            cutoff=self.cutoff,
            readout="mean",
            interaction_graph=self._given,
        )
        self._graph: tuple[Tensor, Tensor] | None = None

    def _given(
        self,
        pos: Tensor,  # noqa: ARG002 - the distances are known
        batch: Tensor,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        if self._graph is None:
            raise RuntimeError("no graph was given")
        return self._graph

    def forward(self, batch: Batch) -> Tensor:
        """Return one value per crystal, ``[B, 1]``."""
        self._graph = batch.edge_index, batch.distance
        positions = batch.distance.new_zeros(batch.num_nodes, 3)
        out: Tensor = self.schnet(batch.z, positions, batch.batch)
        return out


def make_neighbour_graph(structure: Structure, count: int, cutoff: float) -> Data:
    """Return the nearest neighbours of each site within the cutoff (angstrom)."""
    primitive = to_primitive(structure)
    receiver, sender, _, distance = primitive.get_neighbor_list(cutoff)
    order = np.lexsort((distance, receiver))
    receiver, sender, distance = receiver[order], sender[order], distance[order]
    first = np.searchsorted(receiver, np.arange(len(primitive)))
    near = np.arange(len(receiver)) - first[receiver] < count
    edge_index = np.stack([sender[near], receiver[near]])
    return Data(
        num_nodes=len(primitive),
        z=torch.tensor(primitive.atomic_numbers),
        edge_index=torch.from_numpy(edge_index).long(),
        distance=torch.from_numpy(distance[near]).float(),
    )
