"""A training epoch and a prediction pass: the paper's way against ours.

The dense reference works on batches of up to 1200 unique sites with all pairs, padded;
the fused layer works on the same batches, then on merged pairs and merged spheres. All
are measured by turns in one process, on the training part of the bundled data, with
the paper preset in float32; an epoch has forward and backward passes, clipping,
optimiser and batching. The dense reference runs on a random sample of the crystals in
equally full batches, and its times are scaled by pairs:

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --crystals 100 --max-atoms 50 --repeats 1
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from dense_reference import dense_forward
from machine import describe_machine
from measure import available_memory, by_turns, cost_alone
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from pyg_sitenet import CrystalDataset, SiteNet
from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.config import load_preset
from pyg_sitenet.data import BudgetBatchSampler, split_crystals
from pyg_sitenet.transforms import MergeEquivalent

PAPER = load_preset("paper")
DENSE = "dense reference"
# Each way's environment, and whether its pairs are merged.
WAYS = {
    DENSE: ("supercell", False),
    "ours, not merged": ("supercell", False),
    "ours, merged supercell": ("supercell", True),
    "ours, merged sphere": ("sphere", True),
}
GOALS = {"ours, merged supercell": (25, 30), "ours, merged sphere": (45, 30)}
DENSE_MB_PER_PAIR = 0.025  # more than it takes, to stay clear of the machine's limit


def load_crystals(way: str, max_atoms: int, chosen: Sequence[int]) -> CrystalDataset:
    """Return crystals as the graphs that a way works on."""
    environment, merge = WAYS[way]
    dataset = CrystalDataset(
        cache_folder(),
        max_atoms=max_atoms,
        environment=environment,
        pre_transform=MergeEquivalent() if merge else None,
    )
    return dataset.index_select(list(chosen))


def make_loader(
    way: str, dataset: CrystalDataset, max_sites: int = PAPER.data.max_sites
) -> DataLoader:
    """Return batches of at most ``max_sites``; ours are bounded by pairs, too."""
    sampler = BudgetBatchSampler(
        dataset.num_sites,
        dataset.num_pairs,
        max_sites=max_sites,
        max_pairs=10**12 if way == DENSE else PAPER.data.max_pairs,
        shuffle=True,
    )
    return DataLoader(dataset, batch_sampler=sampler)


class Trainer:
    """A model with its optimiser, which runs one way."""

    def __init__(self, way: str) -> None:
        torch.manual_seed(0)
        self.model = SiteNet.from_preset("paper")
        self.way = way
        config = PAPER.training
        self.clip = config.gradient_clip
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            eps=config.eps,
            amsgrad=config.amsgrad,
        )

    def outputs(self, batch: Data) -> Tensor:
        """Return the outputs of the crystals."""
        if self.way == DENSE:
            return dense_forward(self.model, batch)
        out: Tensor = self.model.raw_output(batch)
        return out

    def step(self, batch: Data) -> None:
        """Change the weights."""
        self.optimizer.zero_grad()
        (self.outputs(batch) - batch.y).abs().mean().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()

    def train(self, loader: DataLoader) -> None:
        """Go through an epoch."""
        self.model.train()
        for batch in loader:
            self.step(batch)

    @torch.inference_mode()
    def predict(self, loader: DataLoader) -> None:
        """Go through the same crystals without gradients."""
        self.model.eval()
        for batch in loader:
            self.outputs(batch)


def prepare_step(way: str, stored: bytes) -> Callable[[], None]:
    """Return a training step on a batch, whose memory is to be measured."""
    batch = torch.load(io.BytesIO(stored), weights_only=False)
    trainer = Trainer(way)
    trainer.step(Batch.from_data_list([batch.get_example(0)]))
    return partial(trainer.step, batch)


def measure(
    datasets: dict[str, CrystalDataset], dense_crystals: int, repeats: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return seconds of an epoch and of a prediction pass of each way."""
    full = datasets[DENSE]
    size = min(dense_crystals or len(full), len(full))
    sample = full.index_select(
        np.random.default_rng(0).permutation(len(full))[:size].tolist()
    )
    scale = sum(full.num_pairs) / sum(sample.num_pairs)
    loaders = {
        way: make_loader(way, sample if way == DENSE else dataset)
        for way, dataset in datasets.items()
    }
    print(
        f"{DENSE} on {size} of {len(full)} crystals, {len(loaders[DENSE])} batches; "
        f"its times are multiplied by {scale:.3f}\n",
        flush=True,
    )
    trainers = {way: Trainer(way) for way in WAYS}
    epochs, passes = (
        by_turns(
            {way: partial(run, trainers[way], loaders[way]) for way in WAYS}, repeats
        )
        for run in (Trainer.train, Trainer.predict)
    )
    for times in (epochs, passes):
        times[DENSE] *= scale
    return epochs, passes


def memory(way: str, dataset: CrystalDataset, max_atoms: int) -> str:
    """Return by how many MB a step on a full batch makes a fresh process grow."""
    paper, max_sites = PAPER.data.max_sites, PAPER.data.max_sites
    if way == DENSE:
        fits = int(available_memory() / (DENSE_MB_PER_PAIR * max_atoms))
        max_sites = min(paper, fits)
    batch, stored = next(iter(make_loader(way, dataset, max_sites))), io.BytesIO()
    torch.save(batch, stored)
    growth = cost_alone(prepare_step, way, stored.getvalue()).growth
    why = " too large for this machine" if max_sites < paper else ""
    sites = int(batch.get("site_multiplicity", torch.ones(batch.num_nodes)).sum())
    note = f" ({paper} sites are{why})" if why else ""
    return f"{growth:.0f} | {sites} | {batch.num_edges}{note}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=0, help="0 takes all")
    parser.add_argument("--dense-crystals", type=int, default=320, help="0 takes all")
    parser.add_argument("--max-atoms", type=int, default=PAPER.data.max_atoms)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    whole = CrystalDataset(cache_folder(), max_atoms=options.max_atoms)
    chosen = split_crystals(len(whole), 0.2, 0.1, 0)["train"]
    if options.crystals:
        chosen = np.random.default_rng(0).permutation(chosen)[: options.crystals]
    crystals = chosen.tolist()
    datasets = {way: load_crystals(way, options.max_atoms, crystals) for way in WAYS}
    print(f"N = {options.max_atoms}, {len(chosen)} crystals; {describe_machine()}")
    epochs, passes = measure(datasets, options.dense_crystals, options.repeats)
    print("| way | pairs | epoch / s | times | goal | prediction / s | times | goal |")
    print("|" + "---|" * 8)
    for way in WAYS:
        goals = GOALS.get(way, ("", ""))
        cells = [way, f"{sum(datasets[way].num_pairs)}"]
        for times, goal in zip((epochs, passes), goals, strict=True):
            faster = times[DENSE] / times[way]
            cells += [f"{times[way]:.2f}", f"{faster:.1f}", str(goal)]
        print("| " + " | ".join(cells) + " |", flush=True)
    print(
        "\n| way | memory of a training step / MB | sites | pairs |\n|---|---|---|---|"
    )
    for way, dataset in datasets.items():
        print(f"| {way} | {memory(way, dataset, options.max_atoms)} |", flush=True)


if __name__ == "__main__":
    main()
