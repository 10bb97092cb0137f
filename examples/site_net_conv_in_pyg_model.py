"""For a PyG developer: SiteNetConv in an ordinary PyG model, beside CGConv.

Two models that differ in nothing but their convolution, on the same crystals:

    python examples/site_net_conv_in_pyg_model.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import CGConv, global_mean_pool

from pyg_sitenet import CrystalDataset, SiteNetConv

CHANNELS = 48
EDGE_DIM = 2  # distance, logarithm of the Coulomb interaction


class CrystalModel(nn.Module):
    """Embed the elements, convolve, pool over the sites of each crystal."""

    def __init__(self, convolutions: list[nn.Module]) -> None:
        super().__init__()
        self.element = nn.Embedding(119, CHANNELS)
        self.convolutions = nn.ModuleList(convolutions)
        self.head = nn.Linear(CHANNELS, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Return one value per crystal, [num_graphs, 1]."""
        x = self.element(batch.z)  # [num_sites, CHANNELS]
        for convolution in self.convolutions:
            x = x + convolution(x, batch.edge_index, batch.edge_attr)
        return self.head(global_mean_pool(x, batch.batch))


def attention() -> nn.Module:
    """Return a Site-Net block that takes and returns [num_sites, CHANNELS]."""
    heads = 3
    return SiteNetConv(
        CHANNELS,
        CHANNELS // heads,
        EDGE_DIM,
        heads,
        attention_hidden=(CHANNELS,),
        update_edges=False,
    )


def gated() -> nn.Module:
    """Return the block of CGCNN."""
    return CGConv(CHANNELS, EDGE_DIM, aggr="mean")


def fit(
    model: CrystalModel, train: CrystalDataset, test: CrystalDataset, epochs: int
) -> float:
    """Train with the MAE and return the test MAE."""
    torch.manual_seed(0)
    loader = DataLoader(train, batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for batch in loader:
            optimizer.zero_grad()
            nn.functional.l1_loss(model(batch), batch.y).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        errors = [(model(b) - b.y).abs() for b in DataLoader(test, batch_size=64)]
    return torch.cat(errors).mean().item()


def main() -> None:
    """Train both models and print their errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="dielectric")
    parser.add_argument("--target", default="band_gap")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    dataset = CrystalDataset(
        options.cache, options.data, (options.target,), max_atoms=20, progress=True
    )
    generator = torch.Generator().manual_seed(0)
    dataset = dataset[torch.randperm(len(dataset), generator=generator)]
    cut = int(0.8 * len(dataset))
    train, test = dataset[:cut], dataset[cut:]

    mean = torch.stack([data.y for data in train]).mean()
    dummy = torch.stack([(data.y - mean).abs() for data in test]).mean()
    print(f"{'mean of the training data':26} test MAE {dummy:.3f}")
    for name, make in (("SiteNetConv", attention), ("CGConv", gated)):
        torch.manual_seed(0)
        model = CrystalModel([make(), make()])
        error = fit(model, train, test, options.epochs)
        print(f"{name:26} test MAE {error:.3f}")


if __name__ == "__main__":
    main()
