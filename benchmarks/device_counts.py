"""Kernels, waits and bytes of a training step on a device, counted without one.

Run from the repository's root::

    python benchmarks/device_counts.py --pairs 10000 150000

The networks of the presets run forward and backward on the simulated device of the
tests, on the first bundled crystals in environments of 500 atoms, equal sites and pairs
merged, as often as it takes. Counted are the operations that launch kernels, what they
read and write, and when the host waits: not times, nor what caches save. Triton's
kernels, if it is installed, are not run but told from their source.
``--lines`` prints which operations and which lines of the package they are.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import torch
from torch_geometric.data import Batch

from pyg_sitenet import SiteNet, encode_structure
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.training.batches import prepare_batch
from pyg_sitenet.transforms import MergeEquivalent

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/training/on_device"))
from lightning_device import simulated_device
from simulation import DEVICE, SIMULATION, Counts

ATOMS, CRYSTALS = 500, 12
PRESETS = ("paper", "default")
FORMS = ("message passing", "PyTorch", "Triton")


def make_batch(num_pairs: int) -> Batch:
    """Return a batch of about so many pairs."""
    records = itertools.islice(iter(open_source("dielectric")), CRYSTALS)
    graphs = [
        MergeEquivalent()(encode_structure(record.structure, max_atoms=ATOMS))
        for record in records
        if isinstance(record, Record)
    ]
    times = max(1, round(num_pairs / sum(graph.num_edges for graph in graphs)))
    return prepare_batch(Batch.from_data_list(graphs * times))


def count_step(preset: str, batch: Batch, form: str) -> Counts:
    """Return what forward and backward pass do in one of the forms."""
    torch.manual_seed(0)
    with ExitStack() as stack:
        simulation = stack.enter_context(simulated_device())
        if form == "Triton":
            from triton_counts import counted_kernels

            stack.enter_context(counted_kernels())
        model = SiteNet.from_preset(preset).to(DEVICE)
        model.fused = form != "message passing"
        there = batch.clone().to(DEVICE, non_blocking=True)
        with simulation.counting() as counts:
            model.raw_output(there).sum().backward()
    return counts


def print_lines(counts: Counts, num_pairs: int) -> None:
    """Print kernels and bytes by operation, and by the line that launches them."""
    for part, title in enumerate(("operation", "line")):
        kernels: Counter[str] = Counter()
        moved: Counter[str] = Counter()
        for name, number in counts.kernels.items():
            kernels[name.split(" at ")[part]] += number
            moved[name.split(" at ")[part]] += counts.moved[name]
        print(f"\n| {title} | kernels | kB a pair |\n|---|---|---|")
        for name, number in moved.most_common():
            print(f"| {name} | {kernels[name]} | {number / num_pairs / 1000:.2f} |")


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=[10_000, 150_000])
    parser.add_argument("--lines", action="store_true")
    options = parser.parse_args()
    SIMULATION.notes_places = options.lines
    print("| preset | merged pairs | form | kernels | waits | kB a pair |")
    print("|---|---|---|---|---|---|")
    for num_pairs, preset in itertools.product(options.pairs, PRESETS):
        batch = make_batch(num_pairs)
        for form in FORMS if find_spec("triton") else FORMS[:-1]:
            counts = count_step(preset, batch, form)
            print(
                f"| `{preset}` | {batch.num_edges:,} | {form} | {counts.num_kernels} | "
                f"{counts.num_waits} | {counts.bytes / batch.num_edges / 1000:.0f} |",
                flush=True,
            )
            if options.lines:
                print_lines(counts, batch.num_edges)


if __name__ == "__main__":
    main()
