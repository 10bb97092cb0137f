"""Time and memory of a training step as the environment and the cell grow.

Crystals of the lowest symmetry (atoms at random in a triclinic cell): there is nothing
to merge. Spheres, since they hold N atoms on average where supercells hold N at most.
Paper preset, float32; each line is the second step of a fresh process, and its growth
is what that step adds to the largest resident set (Linux). The peak is the whole
process, with the libraries:

    python benchmarks/scaling.py
    python benchmarks/scaling.py --atoms 50 100 --sites 5 10 --pairs 20000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from machine import describe_machine
from measure import Cost, cost_alone
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch, Data

from pyg_sitenet import SiteNet, encode_structure

VOLUME_PER_ATOM = 12.0  # cubic angstrom, as in oxides
CLOSEST = 1.6  # angstrom
WARM_UP_PAIRS = 2000


def make_crystal(num_sites: int) -> Structure:
    """Return oxygen and metals at random places, no two of them too close."""
    generator = np.random.default_rng(num_sites)
    edge = (num_sites * VOLUME_PER_ATOM) ** (1 / 3)
    lattice = Lattice.from_parameters(0.95 * edge, edge, 1.1 * edge, 83, 97, 104)
    places = generator.uniform(size=(1, 3))
    while len(places) < num_sites:
        place = generator.uniform(size=(1, 3))
        if lattice.get_all_distances(place, places).min() > CLOSEST:
            places = np.concatenate([places, place])
    elements = generator.choice(["O", "O", "Si", "Ti", "La"], size=num_sites)
    return Structure(lattice, elements.tolist(), places)


def make_graph(num_sites: int, max_atoms: int) -> Data:
    """Return a crystal with about ``max_atoms`` atoms around each of its sites."""
    crystal = make_crystal(num_sites)
    return encode_structure(crystal, max_atoms=max_atoms, environment="sphere")


def prepare_step(
    num_sites: int, max_atoms: int, num_crystals: int
) -> Callable[[], None]:
    """Return a training step, after a small one."""
    torch.manual_seed(0)
    graph = make_graph(num_sites, max_atoms)
    model = SiteNet.from_preset("paper")
    optimizer = torch.optim.AdamW(model.parameters(), amsgrad=True)

    def step(batch: Data) -> None:
        optimizer.zero_grad()
        model.raw_output(batch).abs().mean().backward()
        optimizer.step()

    small = graph.clone()
    chosen = torch.arange(0, graph.num_edges, 1 + graph.num_edges // WARM_UP_PAIRS)
    small.edge_index = graph.edge_index[:, chosen]
    small.edge_attr = graph.edge_attr[chosen]
    small.edge_weight = graph.edge_weight[chosen]
    step(Batch.from_data_list([small]))
    return partial(step, Batch.from_data_list([graph] * num_crystals))


def table(
    sizes: Iterable[tuple[int, int, int]], repeats: int
) -> list[tuple[int, Cost]]:
    """Print a line per (sites, atoms, crystals); return pairs and cost of each."""
    print(
        "| sites | atoms | crystals | pairs | s | us a pair | MB | kB a pair | peak |"
    )
    print("|" + "---|" * 9)
    points = []
    for num_sites, max_atoms, crystals in sizes:
        graph = make_graph(num_sites, max_atoms)
        pairs = crystals * graph.num_edges
        costs = [
            cost_alone(prepare_step, num_sites, max_atoms, crystals)
            for _ in range(repeats)
        ]
        cost = Cost(*map(min, zip(*costs, strict=True)))
        print(
            f"| {num_sites} | {graph.num_edges // num_sites} | {crystals} | {pairs} "
            f"| {cost.seconds:.3f} | {1e6 * cost.seconds / pairs:.2f} "
            f"| {cost.growth:.0f} | {1024 * cost.growth / pairs:.2f} "
            f"| {cost.peak:.0f} MB |",
            flush=True,
        )
        points.append((pairs, cost))
    return points


def describe_growth(points: list[tuple[int, Cost]]) -> str:
    """Fit straight lines through time and memory against pairs."""
    pairs = np.array([pairs for pairs, _ in points])
    texts = []
    for name, scale, units in (("seconds", 1e6, "s, us"), ("growth", 2**20, "MB, B")):
        values = np.array([getattr(cost, name) for _, cost in points])
        slope, start = np.polyfit(pairs, values, 1)
        off = 100 * np.abs(slope * pairs + start - values).max() / values.max()
        unit, small = units.split(", ")
        texts.append(
            f"{name} = {start:.2f} {unit} + {scale * slope:.2f} {small} a pair, "
            f"off by at most {off:.0f} % of the largest"
        )
    return f"\nLine through these: {'; '.join(texts)}.\n"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [50, 100, 200, 500, 1000, 2000, 5000]
    parser.add_argument("--atoms", type=int, nargs="+", default=sizes)
    parser.add_argument("--sites", type=int, nargs="+", default=[5, 10, 20, 40, 80])
    parser.add_argument("--pairs", type=int, default=600_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{describe_machine()}\n\nThe environment of a cell of 20 sites grows:\n")
    print(describe_growth(table([(20, n, 1) for n in options.atoms], options.repeats)))
    print("The cell grows, 500 atoms around each site:\n")
    points = table([(n, 500, 1) for n in options.sites], options.repeats)
    print(describe_growth(points))
    crystals = max(1, round(options.pairs / make_graph(20, 500).num_edges))
    print("A full batch (goal: at most 600 MB at 600,000 pairs):\n")
    table([(20, 500, crystals)], options.repeats)


if __name__ == "__main__":
    main()
