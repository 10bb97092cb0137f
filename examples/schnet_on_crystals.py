"""For a PyG developer: a geometric model of PyG on crystals, SchNet here.

The data set keeps positions, cell and the neighbours across it; SchNet is handed the
pairs and their distances instead of looking for them in a molecule:

    python examples/schnet_on_crystals.py --data matbench_phonons \
        --target "last phdos peak"
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn.models import SchNet

from pyg_sitenet import CrystalDataset
from pyg_sitenet.transforms import PeriodicRadiusGraph, pair_distances

CUTOFF = 5.0  # angstrom


class GivenPairs(nn.Module):
    """Returns the pairs of a graph in the form that SchNet asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.data = Data()

    def forward(self, _pos: Tensor, _batch: Tensor) -> tuple[Tensor, Tensor]:
        """Return senders and receivers, and distances with gradients."""
        return self.data.edge_index, pair_distances(self.data)


class CrystalSchNet(nn.Module):
    """SchNet whose neighbours are those of the infinite crystal."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = GivenPairs()
        self.schnet = SchNet(
            64, 64, 3, cutoff=CUTOFF, interaction_graph=self.pairs, readout="mean"
        )

    def forward(self, data: Data) -> Tensor:
        """Return one value per crystal, [B, 1]."""
        self.pairs.data = data
        return self.schnet(data.z, data.pos, data.batch)


def main() -> None:
    """Train for a while and print the test error beside that of the mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="dielectric")
    parser.add_argument("--target", default="band_gap")
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.manual_seed(0)
    neighbours = PeriodicRadiusGraph(CUTOFF)
    dataset = CrystalDataset(
        options.cache, options.data, options.target, max_atoms=1, progress=True,
        environment="sphere", pre_transform=neighbours,
    ).shuffle()  # fmt: skip
    cut = int(0.8 * len(dataset))
    train, test = dataset[:cut], dataset[cut:]
    mean, scale = train.y.mean(), train.y.std()

    model = CrystalSchNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(options.epochs):
        for batch in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.l1_loss(model(batch), (batch.y - mean) / scale).backward()
            optimizer.step()
    with torch.no_grad():
        errors = [
            (model(batch) * scale + mean - batch.y).abs()
            for batch in DataLoader(test, batch_size=64)
        ]
    print(f"mean of the training data: test MAE {(test.y - mean).abs().mean():.3f}")
    print(f"SchNet: test MAE {torch.cat(errors).mean():.3f}")


if __name__ == "__main__":
    main()
