"""Does global attention find what is far away? A test whose truth is exact.

Two energies of the same crystals (``charged_crystals.py``): the electrostatic one,
which has no cutoff, and a control that ends at 5 angstrom. Site-Net learns each with
N = 50, 100 and 500 with heads that begin with a range, with N = 500 from heads that
do not, and with N = 500 but attention cut off at 5 angstrom;
CGCNN and SchNet of PyTorch Geometric learn them beside it, from the same crystals,
split, batches, loss, optimiser, schedule and number of steps, whatever the amount of
data. The parts of a split share no geometry. The weights with the lowest validation
error are tested.

Results are kept as they come; the same command goes on where it was stopped, and
``--show`` prints the table and draws the figure of what there is:

    python benchmarks/long_range.py --workers 2
    python benchmarks/long_range.py --seeds 1 --orders 1 --epochs 2 --output /tmp/quick
    python benchmarks/long_range.py --show
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from charged_crystals import (
    CONTROL_CUTOFF,
    TASKS,
    ChargedCrystal,
    charged_crystals,
)
from long_range_results import Results, draw, print_table, print_truth
from machine import describe_machine
from neighbour_models import CGCNN, PeriodicSchNet, make_neighbour_graph
from other_models import Loaders, Training
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from pyg_sitenet import SiteNet, encode_structure
from pyg_sitenet.analysis import long_range_coefficient
from pyg_sitenet.analysis.crystal.attribution import pair_gradients
from pyg_sitenet.config import Config, load_preset, override
from pyg_sitenet.data import BudgetBatchSampler, split_crystals
from pyg_sitenet.transforms import MergeEquivalent

# The default preset made small: two elements, and a function of distance and kind.
SMALL = (
    "data.environment=supercell",
    "data.max_sites=128",
    "model.width=64",
    "model.site_channels_per_head=16",
    "model.edge_channels_per_head=8",
    "model.attention_hidden=[64]",
    "model.pre_pool=[64]",
    "model.post_pool=[64]",
    "model.embedding_channels=16",
    "model.radial_max=16",
    "training.learning_rate=3e-3",
    "training.max_steps=null",
)


class Learner(NamedTuple):
    """What a model sees.

    Attributes:
        max_atoms: N; 0 for the models that see neighbours alone.
        cutoff: Of the attention, angstrom.
        has_ranges: Whether attention falls with the distance to begin with.
    """

    max_atoms: int = 0
    cutoff: float | None = None
    has_ranges: bool = True


LEARNERS = {
    "Site-Net, N = 50": Learner(50),
    "Site-Net, N = 100": Learner(100),
    "Site-Net, N = 500": Learner(500),
    "Site-Net, N = 500, heads without range": Learner(500, has_ranges=False),
    "Site-Net, N = 500, attention within 5 A": Learner(500, cutoff=5.0),
    "CGCNN, 12 neighbours within 8 A": Learner(),
    "SchNet, 32 neighbours within 10 A": Learner(),
}


@dataclass(frozen=True)
class Job:
    """One training."""

    learner: str
    task: str
    orders: int  # of each geometry: the amount of data
    seed: int


def all_jobs(learners: Sequence[str], orders: int, seeds: int) -> list[Job]:
    """Return the trainings, those that tell most first.

    What does not learn from all the data is not tried with less of it.
    """
    jobs = []
    for amount in dict.fromkeys((orders, 1)):
        some = [
            learner
            for learner in learners
            if LEARNERS[learner].has_ranges or amount == orders
        ]
        for seed in range(seeds):
            jobs += [Job(learner, t, amount, seed) for learner in some for t in TASKS]
    return jobs


@cache
def crystals(orders: int) -> list[list[ChargedCrystal]]:
    """Return the crystals, made once in a process."""
    return charged_crystals(orders)


@cache
def graphs(orders: int, model: str, max_atoms: int) -> list[list[Data]]:
    """Return the graphs that a model reads, as :func:`crystals` returns them."""
    kind = CGCNN if model == "CGCNN" else PeriodicSchNet

    def encode(crystal: ChargedCrystal) -> Data:
        if max_atoms:
            data = encode_structure(crystal.structure, max_atoms=max_atoms)
            return MergeEquivalent()(data)
        return make_neighbour_graph(crystal.structure, kind.neighbours, kind.cutoff)

    return [[encode(structure) for structure in group] for group in crystals(orders)]


def run(job: Job, all_orders: int, epochs: int) -> dict[str, object]:
    """Train once and return what is to be kept."""
    start = time.process_time()
    learner = LEARNERS[job.learner]
    passes = epochs * all_orders // job.orders  # the same number of steps
    config = override(
        load_preset("default"),
        [
            *SMALL,
            f"data.max_atoms={learner.max_atoms or 100}",
            f"training.max_epochs={passes}",
            f"model.distance_cutoff={learner.cutoff or 'null'}",
            *([] if learner.has_ranges else ["model.locality=null"]),
        ],
    )
    torch.manual_seed(job.seed)
    model = make_model(job.learner, config)
    loaders = make_loaders(job, all_orders, config, learner.max_atoms)
    encoded = time.process_time()
    training = Training(model, loaders, config)
    _, error = training.run()
    y = torch.cat([batch.y for batch in loaders["test"]])
    result: dict[str, object] = asdict(job) | {
        "mae": error,
        "constant": (y - training.median).abs().mean().item(),
        "training crystals": sum(len(b.y) for b in loaders["train"]),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": time.process_time() - encoded,
        "seconds before": encoded - start,
    }
    if learner.max_atoms and learner.cutoff is None:
        result["reach"] = reaches(training.average.module, loaders["test"])
    return result


def make_model(learner: str, config: Config) -> nn.Module:
    """Return an untrained model, all of about the same size."""
    if learner.startswith("CGCNN"):
        return CGCNN()
    if learner.startswith("SchNet"):
        return PeriodicSchNet(channels=64, interactions=3)
    return SiteNet(config.model)


def make_loaders(job: Job, all_orders: int, config: Config, max_atoms: int) -> Loaders:
    """Return batches of the parts; validation and test are those of all the data."""
    data, loaders = config.data, {}
    model, crystal_groups = job.learner.partition(",")[0], crystals(all_orders)
    groups = graphs(all_orders, model, max_atoms)
    splits = split_crystals(
        len(groups), data.test_fraction, data.val_fraction, job.seed
    )
    for name in ("train", "val", "test"):
        orders = job.orders if name == "train" else all_orders
        part = []
        for i in splits[name]:
            for graph, crystal in zip(
                groups[i][:orders], crystal_groups[i], strict=False
            ):
                labelled = graph.clone("y")
                labelled.y = torch.tensor([[crystal.energies[job.task]]])
                labelled.volume = torch.tensor([crystal.structure.volume])
                part.append(labelled)
        sampler = BudgetBatchSampler(
            [
                len(crystal_groups[i][0].structure)
                for i in splits[name]
                for _ in range(orders)
            ],
            [1] * len(part),
            max_sites=data.max_sites,
            shuffle=name == "train",
            seed=job.seed,
        )
        loaders[name] = DataLoader(part, batch_sampler=sampler)
    return loaders


def reaches(model: SiteNet, loader: DataLoader) -> list[list[float]]:
    """Return how far each crystal's prediction reaches, a row for each.

    Its long-range coefficient and the cube root of its volume, in angstrom, and the
    share of pairs beyond 5 angstrom in what distances do to the prediction: in the sum
    of the sizes of their gradients, times the distance.
    """
    rows = []
    for batch in loader:
        coefficients = long_range_coefficient(model.eval(), batch).tolist()
        for data, reach in zip(batch.to_data_list(), coefficients, strict=True):
            distance = data.edge_attr[:, 0]
            pull = pair_gradients(model, data).distance[:, 0].abs() * distance
            far = float(pull[distance > CONTROL_CUTOFF].sum() / pull.sum())
            rows.append([reach, float(data.volume) ** (1 / 3), far])
    return [[round(number, 4) for number in row] for row in rows]


def work(options: argparse.Namespace, worker: int) -> None:
    """Do every job that falls to this worker and has no result yet."""
    torch.set_num_threads(1)
    results = Results(options.output, worker)
    jobs = all_jobs(options.learners, options.orders, options.seeds)
    for job in jobs[worker :: options.workers]:
        sees = LEARNERS[job.learner]._asdict()
        if not results.has(asdict(job) | sees, options.epochs):
            result = run(job, options.orders, options.epochs)
            results.add(result | sees | {"epochs": options.epochs})
            print(
                job,
                f"MAE {result['mae']:.3f}",
                f"{result['seconds']:.0f} s",
                flush=True,
            )


def main() -> None:
    """Train what is missing, then print the table and draw the figure."""
    options = parse_arguments()
    print(f"{options.orders} orders, {options.epochs} epochs; {describe_machine()}\n")
    if options.truth:
        print_truth(charged_crystals(1))
        return
    if not options.show:
        context = multiprocessing.get_context("spawn")
        workers = [
            context.Process(target=work, args=(options, number), daemon=True)
            for number in range(options.workers)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if any(worker.exitcode for worker in workers):
            raise SystemExit("a worker failed; what is done is kept")
    results = Results(options.output).all()
    print_table(results, list(LEARNERS))
    draw(results, options.output / "long_range.png")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=4, help="of each geometry")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=[*LEARNERS])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=Path("runs/long_range"))
    parser.add_argument("--show", action="store_true", help="train nothing")
    parser.add_argument("--truth", action="store_true", help="how local the truth is")
    return parser.parse_args()


if __name__ == "__main__":
    main()
