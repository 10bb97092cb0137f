"""For a PyG developer: SiteNetConv inside GPSConv, on a metal-organic framework.

Learns to tell the elements of MOF-5 from where its atoms are: a fifth is hidden, and
recovered from the distances to the others.

    python examples/gps_on_mof.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GPSConv

from pyg_sitenet import SiteNetConv, encode_structure

MOF = Path(__file__).parent / "mof" / "MOF-5.cif"
CHANNELS, HEADS = 32, 4


class Elements(nn.Module):
    """Two blocks, each attending within a sphere and over the whole cell."""

    def __init__(self, num_elements: int) -> None:
        super().__init__()
        self.element = nn.Embedding(119, CHANNELS)  # 0 stands for a hidden one
        self.blocks = nn.ModuleList(
            GPSConv(CHANNELS, SiteNetConv(
                CHANNELS, CHANNELS // HEADS, edge_dim=2, heads=HEADS,
                attention_hidden=(CHANNELS,), update_edges=False,
            ), heads=HEADS) for _ in range(2)
        )  # fmt: skip
        self.head = nn.Linear(CHANNELS, num_elements)

    def forward(self, z: Tensor, data: Data) -> Tensor:
        """Return logits of the elements of each atom, [n, num_elements]."""
        x = self.element(z)
        for block in self.blocks:
            x = block(x, data.edge_index, edge_attr=data.edge_attr)
        return self.head(x)


def main() -> None:
    """Train, and print which share of the hidden elements is recovered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mof", type=Path, default=MOF)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    data = encode_structure(options.mof, max_atoms=40, environment="sphere")
    # The Coulomb feature would tell the elements: leave distances alone.
    data.edge_attr[:, 1] = 1 / (1 + data.edge_attr[:, 0])
    elements, label = data.z.unique(return_inverse=True)
    print(f"{data.num_nodes} atoms, {data.num_edges} pairs, Z = {elements.tolist()}")

    torch.manual_seed(0)
    hidden = torch.rand(data.num_nodes) < 0.2
    model = Elements(len(elements))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(options.epochs):
        model.train()
        masked = (torch.rand(data.num_nodes) < 0.2) & ~hidden
        logits = model(data.z.masked_fill(masked | hidden, 0), data)
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits[masked], label[masked]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        answer = model(data.z.masked_fill(hidden, 0), data).argmax(dim=1)
    right = (answer == label)[hidden].float().mean()
    common = label[~hidden].bincount().argmax()
    guess = (label[hidden] == common).float().mean()
    print(f"most common element: {guess:.0%} of {int(hidden.sum())} hidden are right")
    print(f"GPSConv with SiteNetConv: {right:.0%}")


if __name__ == "__main__":
    main()
