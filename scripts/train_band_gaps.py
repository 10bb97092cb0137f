"""Train a network of the ready band-gap model, and test it.

From the training part of the official fold 0 of matbench_mp_gap it learns 16,000
crystals of all sizes, drawn at random, all others with a gap whose cell has at most 10
sites, and 3,000 such metals: simple crystals, which people know and try first, are few
among those of all sizes. 3,000 crystals of the test part, drawn at random, test it::

    python scripts/train_band_gaps.py matbench_mp_gap.json.gz runs/gap-0 --seed 0
    python scripts/train_band_gaps.py matbench_mp_gap.json.gz runs/gap-1 --seed 1
    python scripts/train_band_gaps.py matbench_mp_gap.json.gz runs/gap-2 --seed 2
    python scripts/make_ready_models.py band-gap runs/gap-0 runs/gap-1 runs/gap-2 \
        --test matbench_mp_gap:FILE --note "24,194 crystals of fold 0 ..."
    python scripts/renew_novelty.py band-gap --run runs/gap-0 --note "..."

The same file always gives the same crystals, which are kept beside the run folder; the
same command continues a training that was stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from make_band_gaps import MAX_SITES, TASK, all_rows
from make_bundled_data import write_rows
from numpy.typing import NDArray

from pyg_sitenet.config import load_preset, override
from pyg_sitenet.training import train

NUM_OF_ALL_SIZES, NUM_SMALL_METALS, NUM_TESTED = 16_000, 3_000, 3_000
# With the mean absolute error, two fifths of the crystals being metals, diamond is one.
SETTINGS = (
    "data.targets=[band_gap]",
    "data.max_atoms=50",
    "training.max_epochs=30",
    "training.loss=huber",
    "training.huber_delta=0.5",
)
Rows = Sequence[Mapping[str, Any]]


def main() -> None:
    """Read the file named on the command line and train."""
    args = parse_arguments()
    rows = list(all_rows(args.file))
    places = draw(rows)
    crystals = args.output.with_name(f"{args.output.name}.jsonl.gz")
    used = sorted(k for own in places.values() for k in own)
    write_rows((rows[k] for k in used), crystals)
    config = override(
        load_preset("default"),
        [*SETTINGS, f"data.source={crystals}", f"training.seed={args.seed}"],
    )
    splits = {part: [rows[k]["id"] for k in own] for part, own in places.items()}
    is_begun = (args.output / "config.yaml").is_file()
    train(config, args.output, splits=splits, progress=True, resume=is_begun)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="matbench_mp_gap.json.gz")
    parser.add_argument("output", type=Path, help="run folder")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def draw(rows: Rows) -> dict[str, list[int]]:
    """Return the places of the crystals of each part, in their order."""
    random = np.random.default_rng(0)
    training, test = TASK.folds(np.zeros(len(rows)))[0]
    order = random.permutation(training)
    chosen, others = order[:NUM_OF_ALL_SIZES], order[NUM_OF_ALL_SIZES:]
    sizes = np.array([len(rows[k]["structure"]["species"]) for k in others])
    is_small = sizes <= MAX_SITES
    is_metal = np.array([rows[k]["band_gap"] == 0 for k in others])
    parts: list[NDArray[np.int64]] = [
        chosen,
        others[is_small & ~is_metal],
        others[is_small & is_metal][:NUM_SMALL_METALS],
    ]
    tested = random.permutation(test)[:NUM_TESTED]
    return {
        "train": sorted(np.concatenate(parts).tolist()),
        "val": [],
        "test": sorted(tested.tolist()),
    }


if __name__ == "__main__":
    main()
