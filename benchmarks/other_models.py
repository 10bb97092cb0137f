"""CGCNN and SchNet of PyTorch Geometric beside Site-Net: time and error.

All learn the bundled band gaps from the same crystals, split and batches with the loss,
optimiser, schedule, averaging and epochs of the default preset; the weights with the
lowest validation error are tested. CGCNN: three CGConv layers of 64 channels over the
12 nearest neighbours, Gaussians of the distance. SchNet: PyG's, with its own defaults
(10 angstrom, at most 32 neighbours), averaged over the sites. Site-Net: the default
preset, and the network of the paper in its supercell, with 100 atoms and without the
bound at 0. Time is that of the training part alone, without validation:

    python benchmarks/other_models.py
    python benchmarks/other_models.py --epochs 2 --seeds 1 --crystals 100
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Callable

import numpy as np
import torch
from machine import describe_machine
from measure import seconds
from neighbour_models import CGCNN, PeriodicSchNet, make_neighbour_graph
from pymatgen.core import Structure
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_sitenet import SiteNet
from pyg_sitenet.config import Config, DataConfig, load_preset, override
from pyg_sitenet.data import (
    BudgetBatchSampler,
    Record,
    encode_structure,
    open_source,
    split_crystals,
)
from pyg_sitenet.transforms import MergeEquivalent

PART_NAMES = ("train", "val", "test")
Encode = Callable[[Structure], Data]
Loaders = dict[str, DataLoader]


def candidates(config: Config) -> dict[str, tuple[Callable[[], nn.Module], Encode]]:
    """Return what makes each model, and what makes its graph of a crystal."""

    def merged(data: DataConfig) -> Encode:
        return lambda crystal: MergeEquivalent()(
            encode_structure(
                crystal,
                max_atoms=data.max_atoms,
                environment=data.environment,
                primitive_tolerance=data.primitive_tolerance,
            )
        )

    def nearest(kind: type[CGCNN] | type[PeriodicSchNet]) -> Encode:
        return lambda crystal: make_neighbour_graph(
            crystal, kind.neighbours, kind.cutoff
        )

    # What is learnt here is on both sides of 0, where its output would be cut off.
    changes = ["data.max_atoms=100", "model.output=identity"]
    paper = override(load_preset("paper"), changes)
    return {
        "CGCNN": (CGCNN, nearest(CGCNN)),
        "SchNet": (PeriodicSchNet, nearest(PeriodicSchNet)),
        f"Site-Net, N = {config.data.max_atoms}": (
            lambda: SiteNet(config.model),
            merged(config.data),
        ),
        "Site-Net, paper, N = 100": (
            lambda: SiteNet(paper.model),
            merged(paper.data),
        ),
    }


def read_crystals(count: int) -> list[Record]:
    """Return bundled crystals, all or that many at random."""
    source = open_source("dielectric", ("band_gap",))
    records = [record for record in source if isinstance(record, Record)]
    order = np.random.default_rng(0).permutation(len(records))
    return [records[i] for i in order[:count]] if count else records


def encode_all(records: list[Record], encode: Encode) -> list[Data]:
    """Return the graphs with their targets."""
    graphs = []
    for record in records:
        graph = encode(record.structure)
        graph.y = torch.tensor([[record.targets["band_gap"]]], dtype=torch.float32)
        graphs.append(graph)
    return graphs


def make_loaders(graphs: list[Data], config: Config, seed: int) -> Loaders:
    """Return batches of the parts, the same crystals in each for every model."""
    data, loaders = config.data, {}
    fractions = (data.test_fraction, data.val_fraction)
    splits = split_crystals(len(graphs), *fractions, seed)
    for name in PART_NAMES:
        part = [graphs[i] for i in splits[name]]
        sites = [
            int(g.site_multiplicity.sum()) if "site_multiplicity" in g else len(g.z)
            for g in part
        ]
        sampler = BudgetBatchSampler(
            sites,
            [1] * len(part),
            max_sites=data.max_sites,
            shuffle=name == "train",
            seed=seed,
        )
        loaders[name] = DataLoader(part, batch_sampler=sampler)
    return loaders


class Training:
    """One model on its way to the lowest validation error.

    Args:
        model: Untrained.
        loaders: Batches of each part.
        config: What the training and the batches are like.
    """

    def __init__(self, model: nn.Module, loaders: Loaders, config: Config) -> None:
        self.model, self.loaders, self.config = model, loaders, config.training
        y = torch.cat([batch.y for batch in loaders["train"]])
        self.mean, self.spread, self.median = y.mean(), y.std(), y.median()
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            eps=self.config.eps,
            amsgrad=self.config.amsgrad,
        )
        decay = self.config.ema_decay or 0.0  # 0: the last weights themselves
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        steps = len(loaders["train"])
        warmup = self.config.warmup_epochs * steps
        total = self.config.max_epochs * steps

        def factor(step: int) -> float:
            cosine = (1 + np.cos(np.pi * (step - warmup) / max(1, total - warmup))) / 2
            return float((step + 1) / warmup if step < warmup else cosine)

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)

    def run(self) -> tuple[float, float]:
        """Return the median seconds of an epoch and the test error in eV."""
        times, lowest = [], float("inf")
        best = self.average.state_dict()
        for epoch in range(self.config.max_epochs):
            train = self.loaders["train"]
            train.batch_sampler.set_epoch(epoch)
            times.append(seconds(lambda train=train: self._epoch(train)))
            error = self.error("val")
            if error < lowest:
                lowest, best = error, copy.deepcopy(self.average.state_dict())
        self.average.load_state_dict(best)
        return statistics.median(times), self.error("test")

    def _epoch(self, loader: DataLoader) -> None:
        self.model.train()
        for batch in loader:
            self.optimizer.zero_grad()
            target = (batch.y - self.mean) / self.spread
            (self.model(batch) - target).abs().mean().backward()
            clip = self.config.gradient_clip
            nn.utils.clip_grad_norm_(self.model.parameters(), clip)
            self.optimizer.step()
            self.schedule.step()
            self.average.update_parameters(self.model)

    @torch.no_grad()
    def error(self, part: str) -> float:
        """Return the mean absolute error of a part in eV."""
        self.average.eval()
        total = [
            (self.average(batch) * self.spread + self.mean - batch.y).abs()
            for batch in self.loaders[part]
        ]
        return torch.cat(total).mean().item()


def compare(
    make: Callable[[], nn.Module], graphs: list[Data], config: Config, seeds: int
) -> tuple[int, float, list[float]]:
    """Return parameters, the shortest median of seconds, and each seed's error."""
    runs = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = make()
        runs.append(Training(model, make_loaders(graphs, config, seed), config).run())
    size = sum(parameter.numel() for parameter in model.parameters())
    return size, min(duration for duration, _ in runs), [error for _, error in runs]


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=0, help="0 takes all")
    parser.add_argument("--models", nargs="+", default=["CGCNN", "SchNet", "Site-Net"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="(default: those of the preset)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    # AdamW for all of them, with the learning rate chosen with it.
    config = override(
        load_preset("default"), ["training.learning_rate=1e-3", *options.set]
    )
    if options.epochs:
        config = override(config, [f"training.max_epochs={options.epochs}"])
    records = read_crystals(options.crystals)
    print(f"{len(records)} crystals, {config.training.max_epochs} epochs, ", end="")
    print(f"{options.seeds} seeds; {describe_machine()}\n")
    print("| model | parameters | pairs | s per epoch | times CGCNN | test MAE / eV |")
    print("|---|---|---|---|---|---|", flush=True)
    first = None
    for name, (make, encode) in candidates(config).items():
        if not name.startswith(tuple(options.models)):
            continue
        graphs = encode_all(records, encode)
        size, duration, errors = compare(make, graphs, config, options.seeds)
        first = first or duration
        pairs = sum(graph.num_edges for graph in graphs)
        spread = f" ± {statistics.stdev(errors):.3f}" if len(errors) > 1 else ""
        print(
            f"| {name} | {size} | {pairs} | {duration:.2f} | {duration / first:.2f} "
            f"| {statistics.mean(errors):.3f}{spread} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
