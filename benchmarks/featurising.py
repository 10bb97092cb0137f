"""Time to turn a crystal into a merged graph, and the pairs that merging leaves.

Reading, reduction to the primitive cell, supercell, pairs, features and merging of the
bundled crystals; milliseconds per crystal and core. Goals: 15 ms at N = 100, 60 ms at
N = 500:

    python benchmarks/featurising.py
    python benchmarks/featurising.py --crystals 100 --atoms 50 --workers 1
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
from machine import describe_machine
from torch_geometric.data import Data

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.graph.stream import encode_entries
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.transforms import MergeEquivalent

ENVIRONMENTS = ("supercell", "sphere")
GOALS = {100: 15, 500: 60}


def choose_entries(count: int) -> list[Entry]:
    """Return that many of the bundled crystals at random, not yet read."""
    entries = [
        entry
        for entry in open_source("dielectric", ("band_gap",)).entries()
        if isinstance(entry, Entry)
    ]
    order = np.random.default_rng(0).permutation(len(entries))
    return [entries[i] for i in order[: count or len(entries)]]


def encode(
    entries: Sequence[Entry], max_atoms: int, environment: str, workers: int
) -> tuple[list[Data], float]:
    """Return merged graphs, and milliseconds of each core for each crystal."""
    encoder = Encoder(max_atoms, environment, pre_transform=MergeEquivalent())
    encoder(entries[0])  # loads tables
    # One process is timed by what it computes, so that others' work does not count.
    clock = _computed if workers == 1 else time.perf_counter
    start = clock()
    results = list(encode_entries(iter(entries), encoder, workers))
    duration = clock() - start
    graphs = [result.data for result in results if isinstance(result, Encoded)]
    return graphs, 1e3 * duration * workers / len(entries)


def _computed() -> float:
    """Return the processor time of this process and of those that it has ended."""
    return sum(os.times()[:4])


def pairs_left(graphs: Sequence[Data]) -> tuple[float, float, float]:
    """Return by what merging divides the pairs in all and in the median crystal.

    The third number is by what it divides the sites in all.
    """
    num_pairs = np.array([graph.num_edges for graph in graphs])
    full = np.array(
        [
            int(
                (graph.site_multiplicity[graph.edge_index[1]] * graph.edge_multiplicity)
                .sum()
                .item()
            )
            for graph in graphs
        ]
    )
    sites = sum(int(graph.site_multiplicity.sum()) for graph in graphs)
    num_sites = sum(graph.num_nodes or 0 for graph in graphs)
    return (
        full.sum() / num_pairs.sum(),
        statistics.median(full / num_pairs),
        sites / num_sites,
    )


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=0, help="0 takes all")
    parser.add_argument("--atoms", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    entries = choose_entries(options.crystals)
    print(f"{len(entries)} crystals; {describe_machine()}\n")
    times = [f"ms, {workers} workers" for workers in options.workers]
    columns = ["environment", "N", *times, "goal", "pairs", "median", "sites"]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)
    for environment in ENVIRONMENTS:
        for max_atoms in options.atoms:
            cells = [environment, str(max_atoms)]
            for workers in options.workers:
                graphs, duration = encode(entries, max_atoms, environment, workers)
                cells.append(f"{duration:.1f}")
            cells.append(str(GOALS.get(max_atoms, "")))
            cells += [f"1/{factor:.1f}" for factor in pairs_left(graphs)]
            print("| " + " | ".join(cells) + " |", flush=True)
    print("\nms per crystal and core; pairs: share left in all and in the median")
    print("crystal; sites: share left in all.")


if __name__ == "__main__":
    main()
