"""Test error of a preset on bundled data, as the mean over seeds with spread.

Each seed draws its own split, weights and batches; the test part decides nothing.
A table that was stopped goes on where it was; times count from there.
Every ``--vary`` adds a dimension to the table:

    python benchmarks/test_error.py
    python benchmarks/test_error.py --members 5
    python benchmarks/test_error.py --data formation_energy --first-seed 6
    python benchmarks/test_error.py --vary data.environment=supercell,sphere \
        --vary data.max_atoms=50,100,500
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import zlib
from pathlib import Path

from machine import describe_machine

from pyg_sitenet.config import Config, load_config, load_preset, override
from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.training import train

TARGETS = {
    "band_gaps": "band_gap",
    "dielectric": "band_gap",
    "formation_energy": "formation_energy",
}


def main() -> None:
    """Train once per combination and seed, and print the table as it grows."""
    args = parse_arguments()
    base = [f"data.source={args.data}", f"data.targets=[{TARGETS[args.data]}]"]
    if args.members is not None:
        base += [f"training.members={args.members}"]
    base += args.set
    print(f"{args.config or args.preset}, {' '.join(base)}; {describe_machine()}\n")
    names = [choice.partition("=")[0] for choice in args.vary]
    unit = BUNDLED[args.data].units[TARGETS[args.data]]
    error = f"test MAE / {unit}"
    columns = [*names, "seeds", error, "each seed", "composition", "mean"]
    print("| " + " | ".join([*columns, "s per run"]) + " |")
    print("|" + "---|" * (len(columns) + 1), flush=True)
    values = [choice.partition("=")[2].split(",") for choice in args.vary]
    for combination in itertools.product(*values):
        settings = [
            f"{name}={value}" for name, value in zip(names, combination, strict=True)
        ]
        start = load_config(args.config) if args.config else load_preset(args.preset)
        config = override(start, [*base, *settings])
        seeds = range(args.first_seed, args.first_seed + args.seeds)
        print(row(config, combination, seeds, args.output), flush=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="dielectric", choices=sorted(TARGETS))
    parser.add_argument("--preset", default="default")
    parser.add_argument("--config", type=Path, help="instead of a preset")
    parser.add_argument("--members", type=int, help="of an ensemble")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--vary", action="append", default=[], metavar="KEY=A,B")
    parser.add_argument("--output", type=Path, default=Path("runs/test_error"))
    return parser.parse_args()


def row(
    config: Config, combination: tuple[str, ...], seeds: range, output: Path
) -> str:
    """Train every seed and return a line of the table."""
    start = time.perf_counter()
    errors: dict[str, list[float]] = {"model": [], "composition": [], "mean": []}
    target = config.data.targets[0]
    for seed in seeds:
        seeded = override(config, [f"training.seed={seed}", f"data.split_seed={seed}"])
        digest = f"{zlib.crc32(repr(seeded).encode()):08x}"
        folder = output / "-".join([*combination, f"seed{seed}", digest])
        run = train(seeded, folder, resume=(folder / "config.yaml").is_file())
        metrics = run.metrics["targets"][target]
        errors["model"].append(metrics["test"]["mae"])
        for baseline in ("composition", "mean"):
            error = metrics["baselines"][baseline]["test"]["mae"]
            errors[baseline].append(error)
    each = ", ".join(f"{error:.3f}" for error in errors["model"])
    seconds = (time.perf_counter() - start) / len(seeds)
    cells = [*combination, str(len(seeds)), mean_and_spread(errors["model"]), each]
    cells += [mean_and_spread(errors[name]) for name in ("composition", "mean")]
    return "| " + " | ".join([*cells, f"{seconds:.0f}"]) + " |"


def mean_and_spread(values: list[float]) -> str:
    """Return mean and standard deviation over the seeds."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {spread:.3f}"


if __name__ == "__main__":
    main()
