"""Coverage of the intervals on the bundled band gaps, over random splits.

Each split trains a small model or ensemble from scratch, calibrates it on the
calibration part and counts on the test part. Coverage does not need a good model: that
is the point of conformal intervals, and why small ones serve here::

    python benchmarks/coverage.py
    python benchmarks/coverage.py --members 1
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from machine import describe_machine

from pyg_sitenet.config import load_preset, override
from pyg_sitenet.training import train

# A network of 14,000 parameters, and a fifth of the training part to calibrate.
SMALL = (
    "data.source=dielectric",
    "data.max_atoms=20",
    "data.calibration_fraction=0.2",
    "data.max_sites=256",
    "model.heads=2",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "model.pre_pool=[32]",
    "model.post_pool=[32]",
    "model.embedding_channels=16",
    "training.learning_rate=5.0e-3",
)
LEVELS = (0.5, 0.8, 0.9, 0.95)


def main() -> None:
    """Train on every split and print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path("runs/coverage"))
    args = parser.parse_args()
    print(f"{args.members} members, {args.epochs} epochs; {describe_machine()}\n")
    heads = [f"{level:.0%} covered" for level in LEVELS]
    widths = ["90% mean width / eV", "test MAE / eV", "s"]
    print("| split | " + " | ".join([*heads, *widths]) + " |")
    print("|" + "---|" * (len(heads) + 4), flush=True)
    settings = [
        f"training.members={args.members}",
        f"training.max_epochs={args.epochs}",
    ]
    rows = [run(split, settings, args.output) for split in range(args.splits)]
    means = [statistics.mean(column) for column in zip(*rows, strict=True)]
    print(line("mean", means))


def run(split: int, settings: list[str], output: Path) -> list[float]:
    """Train on one split; return and print coverages, width, error and time."""
    start = time.perf_counter()
    seeds = [f"data.split_seed={split}", f"training.seed={split}"]
    config = override(load_preset("default"), [*SMALL, *settings, *seeds])
    folder = output / f"split{split}-{time.time_ns()}"
    metrics = train(config, folder).metrics["targets"]["band_gap"]
    at = {row["level"]: row for row in metrics["coverage"]}
    values = [at[level]["coverage"] for level in LEVELS]
    seconds = time.perf_counter() - start
    values += [at[0.9]["mean_width"], metrics["test"]["mae"], seconds]
    print(line(str(split), values), flush=True)
    return values


def line(name: str, values: list[float]) -> str:
    """Return a line of the table."""
    shares = [f"{value:.1%}" for value in values[: len(LEVELS)]]
    width, error, seconds = values[len(LEVELS) :]
    cells = [name, *shares, f"{width:.2f}", f"{error:.2f}", f"{seconds:.0f}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
