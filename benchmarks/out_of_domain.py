"""Crystals unlike those of training: errors, intervals and warnings, before and after.

An element, all elements of a group, families of structures (formula without names and
space group) and the largest crystals are left out of the training, and nothing, each in
turn. 70 % of the other crystals train `default`, 15 % calibrate it, 15 % are the
ordinary crystals of the test::

    python benchmarks/out_of_domain.py DATA/matbench_phonons.jsonl.gz
    python benchmarks/out_of_domain.py DATA/matbench_log_gvrh.jsonl.gz --crystals 2000
    python benchmarks/out_of_domain.py DATA/matbench_phonons.jsonl.gz --again
    python benchmarks/out_of_domain.py --draw

"Before" are plain split-conformal intervals and warnings by ranges, "after" intervals
and warnings by novelty; both from the same networks and calibration crystals, and the
tested crystals decide nothing. Each run adds its crystals to
`results/out_of_domain.csv.gz`. What is there is not run again, and a run that was
stopped goes on; `--again` measures finished runs anew without training them. At the
end, or with `--draw` alone, the tables are printed and `docs/novelty.png` drawn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from out_of_domain_measure import Parts, measure
from out_of_domain_results import (
    draw,
    keep,
    print_tables,
    print_thirds,
    read_results,
)
from out_of_domain_splits import Crystal, parts_of, read_crystals, splits_of

from pyg_sitenet.config import Config, load_preset, override
from pyg_sitenet.data.readers.named.matbench_tasks import find_task
from pyg_sitenet.training import train


def main() -> None:
    """Run what is missing, then print and draw what is there."""
    args = parse_arguments()
    if args.file is not None:
        run_missing(args)
    elif not args.draw:
        raise SystemExit("FILE of a task is missing; without it give --draw")
    print_tables()
    print_thirds()
    draw()


def run_missing(args: argparse.Namespace) -> None:
    """Train and measure what has no rows yet."""
    task = find_task(args.file.name.partition(".")[0])
    crystals = read_crystals(args.file, args.crystals)
    splits = [s for s in splits_of(crystals) if s.name in (args.splits or [s.name])]
    source = args.output / f"{task.name}-{len(crystals)}.jsonl"
    write_crystals(source, crystals, task.target)
    units = {task.target: task.unit} if task.unit else {}
    data = {"targets": [task.target], "units": units}
    for split in splits:
        job = (task.name, split.name, str(args.seed))
        is_measured = job in {
            (row["task"], row["split"], row["seed"]) for row in read_results()
        }
        folder = args.output / f"{task.name}-{split.name}-seed{args.seed}"
        is_trained = (folder / "metrics.json").is_file()
        if is_measured and not (args.again and is_trained):
            continue
        config = settings(source, data, args)
        parts = parts_of(crystals, split, args.seed)
        if not is_trained:
            run(config, folder, parts)
        keep(job, split.left_out, measure(folder, parts))


def settings(source: Path, data: dict[str, object], args: argparse.Namespace) -> Config:
    """Return the settings of a run."""
    changes = [f"data.{key}={json.dumps(value)}" for key, value in data.items()]
    return override(
        load_preset("default"),
        [
            f"data.source={json.dumps(str(source))}",
            *changes,
            "data.max_atoms=50",
            f"training.max_epochs={args.epochs}",
            f"training.seed={args.seed}",
            *args.set,
        ],
    )


def run(config: Config, folder: Path, parts: Parts) -> None:
    """Train without the crystals that are tested."""
    learnt = {part: parts[part] for part in ("train", "val", "calibration")}
    is_begun = (folder / "config.yaml").is_file()
    train(config, folder, resume=is_begun, splits=learnt | {"test": []}, tell=False)


def write_crystals(file: Path, crystals: list[Crystal], target: str) -> None:
    """Write the crystals of all runs as JSON lines, once."""
    if file.is_file():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = (
        {"id": c["id"], target: c["target"], "structure": c["structure"]}
        for c in crystals
    )
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="file of a task")
    parser.add_argument("--crystals", type=int, help="so many, drawn at random")
    parser.add_argument("--splits", nargs="+", help="only these. (default: all)")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=Path("runs/out_of_domain"))
    parser.add_argument("--again", action="store_true", help="measure runs anew")
    parser.add_argument("--draw", action="store_true", help="from the rows alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
