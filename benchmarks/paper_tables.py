"""The paper's tables 2 and 3 as far as a small machine goes: error and amount of data.

On fold 0 of matbench_mp_gap, `paper` (for 100 epochs, and for 500 as published), the
same with attention within 5 A, and `default` are trained with 1,000 and 10,000 crystals
at N = 50 and 100. As in the paper, crystals of more than N sites are not trained on,
but tested; 1,000 further ones validate::

    python benchmarks/paper_tables.py DATA/matbench_mp_gap.jsonl.gz
    python benchmarks/paper_tables.py FILE --sizes 1000 --atoms 50 --presets paper
    python benchmarks/paper_tables.py --draw

Each run adds a row to `paper_tables.csv` beside this file. What is there is not run
again, and a run that was stopped goes on. At the end, or with `--draw` alone, the table
is printed and `docs/paper_tables.png` drawn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from paper_tables_results import (
    FIELDS,
    add_row,
    draw,
    print_table,
    read_results,
)

from pyg_sitenet.config import Config, load_preset, override
from pyg_sitenet.data.readers.named.matbench_tasks import find_task
from pyg_sitenet.data.readers.tables.row import Row
from pyg_sitenet.data.readers.tables.table import Table, read_table
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.training import train

TASK = find_task("matbench_mp_gap")
PRESETS = {
    "paper": ("paper", []),
    "paper, 500 epochs": ("paper", ["training.max_epochs=500"]),
    "paper, within 5 A": ("paper", ["model.distance_cutoff=5"]),
    "default": ("default", []),
}
NUM_VALIDATION = 1000
Splits = dict[str, list[str]]


def main() -> None:
    """Run what is missing, then print and draw what is there."""
    args = parse_arguments()
    if not args.draw:
        if args.file is None:
            raise SystemExit("FILE of the task is missing; without it give --draw")
        run_missing(args)
    print_table(PRESETS)
    draw(PRESETS)


def run_missing(args: argparse.Namespace) -> None:
    """Train what has no row yet, the quickest first, one at a time."""
    pool = Pool(args.file, args.output, max(args.sizes), args.atoms, args.test)
    for size in sorted(args.sizes):
        for atoms in sorted(args.atoms):
            for preset in args.presets:
                job = (preset, str(atoms), str(size), str(args.seed))
                has_row = any(
                    tuple(row[name] for name in FIELDS[:4]) == job
                    for row in read_results()
                )
                if not has_row:
                    add_row(run(preset, atoms, size, pool, args))


def run(
    preset: str, atoms: int, size: int, pool: Pool, args: argparse.Namespace
) -> tuple[object, ...]:
    """Train on so many crystals and return the row."""
    config = settings(preset, atoms, args.seed, pool.file, args.set)
    words = preset.replace(", ", "-").replace(" ", "")
    folder = args.output / f"{words}-N{atoms}-{size}-seed{args.seed}"
    start = time.perf_counter()
    result = train(
        config,
        folder,
        resume=(folder / "config.yaml").is_file(),
        progress=args.progress,
        splits=pool.splits(atoms, size),
    ).metrics
    return (
        preset, atoms, size, args.seed,
        f"{result['targets']['band_gap']['test']['mae']:.4f}",
        result["num_crystals"]["test"], result["num_parameters"], result["epochs"],
        f"{time.perf_counter() - start:.0f}", describe_machine(), " ".join(args.set),
    )  # fmt: skip


def settings(
    preset: str, atoms: int, seed: int, file: Path, others: list[str]
) -> Config:
    """Return the settings of a run."""
    name, changes = PRESETS[preset]
    data = [
        f"data.source={json.dumps(str(file))}",
        "data.targets=[band_gap]",
        "data.units={band_gap: eV}",
        f"data.max_atoms={atoms}",
        f"training.seed={seed}",
    ]
    return override(load_preset(name), [*data, *changes, *others])


class Pool:
    """The crystals of all runs as one file, of which each run takes its own.

    Args:
        file: That of the task.
        folder: Where the file of the runs is kept.
        size: Most crystals of a training.
        atoms: Values of N.
        num_test: Crystals of fold 0's test part that are tested; None for all.
    """

    def __init__(
        self,
        file: Path,
        folder: Path,
        size: int,
        atoms: list[int],
        num_test: int | None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        chosen = f"{size}-{'-'.join(map(str, sorted(atoms)))}-{num_test or 'all'}"
        self.file = folder / f"crystals-{chosen}.jsonl"
        self._record = folder / f"crystals-{chosen}.json"
        if not self._record.is_file():
            self._write(read_table(TextFile(str(file), lambda: file.open("rb"))), size,
                        atoms, num_test)  # fmt: skip
        self._orders = json.loads(self._record.read_text())

    def splits(self, atoms: int, size: int) -> Splits:
        """Return the ids of a run's parts; a small training is part of a large one."""
        order = self._orders[str(atoms)]
        val = order[:NUM_VALIDATION]
        train = order[NUM_VALIDATION : NUM_VALIDATION + size]
        return {"train": train, "val": val, "test": self._orders["test"]}

    def _write(
        self, table: Table, size: int, atoms: list[int], num_test: int | None
    ) -> None:
        sites = np.array([num_sites(row) for row in table.rows()])
        train, test = TASK.folds(np.zeros(len(sites)))[0]
        orders: dict[str, list[str]] = {}
        for limit in sorted(atoms):
            fitting = train[sites[train] <= limit]
            fitting = np.random.default_rng(limit).permutation(fitting)
            chosen = fitting[: NUM_VALIDATION + size]
            orders[str(limit)] = [TASK.id_of_row(row) for row in chosen]
        chosen = np.sort(np.random.default_rng(0).permutation(test)[:num_test])
        orders["test"] = [TASK.id_of_row(row) for row in chosen]
        ids = {id_ for order in orders.values() for id_ in order}
        with self.file.open("w") as file:
            file.writelines(lines(table, ids))
        self._record.write_text(json.dumps(orders))


def lines(table: Table, ids: set[str]) -> Iterator[str]:
    """Yield the chosen crystals as JSON lines."""
    column = TASK.target if TASK.target in table.columns else "target"
    for position, row in enumerate(table.rows()):
        id_ = TASK.id_of_row(position)
        if id_ in ids:
            line = {"id": id_, "band_gap": row.values[column]}
            line["structure"] = row.values["structure"]
            yield json.dumps(line) + "\n"


def num_sites(row: Row) -> int:
    """Return how many sites the cell of a row has."""
    structure = row.values["structure"]
    return len(structure.get("species") or structure["sites"])


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    several: dict[str, Any] = {"nargs": "+"}
    parser.add_argument("file", nargs="?", type=Path, help="file of the task")
    parser.add_argument("--sizes", type=int, default=[1000, 10000], **several)
    parser.add_argument("--atoms", type=int, default=[50, 100], **several)
    parser.add_argument("--presets", default=[*PRESETS], choices=[*PRESETS], **several)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--test", type=int, help="test a random part. (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("runs/paper_tables"))
    parser.add_argument("--progress", action="store_true", help="show progress bars")
    parser.add_argument("--draw", action="store_true", help="from the rows alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
