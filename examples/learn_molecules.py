"""For a PyG developer: the layer and the transforms on molecules, without a cell.

Enthalpies of formation of the G2 molecules that ASE brings along, kcal/mol:

    python examples/learn_molecules.py
"""

from __future__ import annotations

import argparse

import torch
from ase.data.g2 import data as molecules
from ase.symbols import Symbols
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_add_pool
from torch_geometric.transforms import Compose

from pyg_sitenet import SiteNetConv
from pyg_sitenet.transforms import CoulombPairs, PeriodicRadiusGraph

CHANNELS, HEADS = 48, 3


def read_molecules() -> list[Data]:
    """Return all molecules as graphs, each atom paired with all within 6 angstrom."""
    transform = Compose([PeriodicRadiusGraph(6.0, loop=True), CoulombPairs()])
    return [
        transform(
            Data(
                z=torch.tensor(Symbols.fromsymbols(entry["symbols"]).numbers),
                pos=torch.tensor(entry["positions"], dtype=torch.float32).view(-1, 3),
                y=torch.tensor([[entry["enthalpy"]]], dtype=torch.float32),
            )
        )
        for entry in molecules.values()
    ]


class Molecule(nn.Module):
    """Elements, two blocks, and the sum over atoms."""

    def __init__(self) -> None:
        super().__init__()
        self.element = nn.Embedding(119, CHANNELS)
        self.blocks = nn.ModuleList(
            SiteNetConv(
                CHANNELS, CHANNELS // HEADS, edge_dim=2, heads=HEADS,
                attention_hidden=(CHANNELS,), update_edges=False, residual=True,
            )
            for _ in range(2)
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Linear(CHANNELS, CHANNELS), nn.SiLU(), nn.Linear(CHANNELS, 1)
        )

    def forward(self, data: Data) -> Tensor:
        """Return one value per molecule, [B, 1]."""
        x = self.element(data.z)
        for block in self.blocks:
            x = block(x, data.edge_index, data.edge_attr)
        return global_add_pool(self.head(x), data.batch)


def main() -> None:
    """Train and print the test error beside that of the mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args()
    torch.manual_seed(0)
    graphs = read_molecules()
    order = torch.randperm(len(graphs)).tolist()
    train = [graphs[k] for k in order[:130]]
    test = [graphs[k] for k in order[130:]]
    y = torch.cat([data.y for data in train])
    mean, scale = y.mean(), y.std()

    model = Molecule()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(options.epochs):
        for batch in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.l1_loss(model(batch), (batch.y - mean) / scale).backward()
            optimizer.step()
    batch = next(iter(DataLoader(test, batch_size=len(test))))
    with torch.no_grad():
        error = (model(batch) * scale + mean - batch.y).abs().mean()
    guess = (batch.y - mean).abs().mean()
    print(f"{len(train)} molecules to train, {len(test)} to test")
    print(f"mean of the training data: test MAE {guess:.1f} kcal/mol")
    print(f"SiteNetConv: test MAE {error:.1f} kcal/mol")


if __name__ == "__main__":
    main()
