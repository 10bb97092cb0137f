"""Where the time of a prediction goes: encoding, merging, batches and the network.

Bundled crystals in environments of 500 atoms, one core, an untrained network; processor
time, the shortest of three rounds::

    python benchmarks/prediction_time.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from featurising import choose_entries
from machine import describe_machine
from measure import seconds
from torch_geometric.data import Batch, Data

from pyg_sitenet import SiteNet
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.sources import Entry
from pyg_sitenet.transforms import MergeEquivalent

BATCH, ROUNDS = 32, 3


def encode(entries: list[Entry], encoder: Encoder) -> list[Data]:
    """Return graphs, their pairs not merged."""
    results = [encoder(entry) for entry in entries]
    return [result.data for result in results if isinstance(result, Encoded)]


def merge(graphs: list[Data]) -> list[Data]:
    """Return merged graphs."""
    transform = MergeEquivalent()
    return [transform(graph) for graph in graphs]


def join(graphs: list[Data]) -> list[Batch]:
    """Return batches."""
    starts = range(0, len(graphs), BATCH)
    return [Batch.from_data_list(graphs[start : start + BATCH]) for start in starts]


@torch.no_grad()
def run(model: SiteNet, batches: list[Batch]) -> None:
    """Run the network."""
    for batch in batches:
        model(batch)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=64)
    parser.add_argument("--atoms", type=int, default=500)
    parser.add_argument("--environment", default="supercell")
    parser.add_argument("--preset", default="default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    entries = choose_entries(options.crystals)
    encoder = Encoder(options.atoms, options.environment)
    model = SiteNet.from_preset(options.preset).eval()
    graphs = encode(entries, encoder)
    merged = merge(graphs)
    batches = join(merged)
    ways: dict[str, Callable[[], object]] = {
        "read and encode": partial(encode, entries, encoder),
        "merge equal sites and pairs": partial(merge, graphs),
        "put together in batches": partial(join, merged),
        "network": partial(run, model, batches),
    }
    times = {
        part: min(seconds(way) for _ in range(ROUNDS)) / len(entries)
        for part, way in ways.items()
    }
    pairs = sum(batch.num_edges for batch in batches) / len(entries)
    print(f"{len(entries)} crystals, N = {options.atoms}, {options.environment}, "
          f"{options.preset}, {pairs:.0f} merged pairs a crystal; "
          f"{describe_machine()}\n")  # fmt: skip
    print("| part | ms a crystal | share |\n|---|---|---|")
    for part, time in times.items():
        print(f"| {part} | {1e3 * time:.2f} | {time / sum(times.values()):.0%} |")


if __name__ == "__main__":
    main()
