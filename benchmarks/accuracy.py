"""Errors on official tasks: keep the predictions of every fold, print the table.

    sitenet benchmark matbench_phonons --data-file DATA/matbench_phonons.jsonl.gz
    python benchmarks/accuracy.py keep runs/matbench_phonons single
    python benchmarks/accuracy.py keep runs/seed0 runs/seed1 ensemble
    python benchmarks/accuracy.py keep KEPT/single.csv.gz runs/seed1 ensemble
    python benchmarks/accuracy.py table DATA

``keep`` writes ``benchmarks/results/TASK/single.csv.gz`` (or ``ensemble``) with the
columns fold, id and prediction, and beside it what the networks are and how long they
trained; of several seeds the mean prediction. Runs of one seed give different folds of
it. The ``single.csv.gz`` that is kept already serves in place of a run.
``table`` compares them with the official targets in a folder of the task's files and
prints the Markdown of ``docs/accuracy.md``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accuracy_runs import by_seed, read_member, unique
from machine import describe_machine

from pyg_sitenet.data.readers.named.matbench_tasks import find_task
from pyg_sitenet.data.sources import Entry, open_source

RESULTS = Path(__file__).parent / "results"
KINDS = ("single", "ensemble")
# Best mean absolute errors of networks trained on the task alone, of Matbench's board
# (https://matbench.materialsproject.org), and of the dummy that predicts the mean.
BOARD = {
    "matbench_phonons": ("MegNet 28.76", 323.98),
    "matbench_dielectric": ("MODNet 0.2711", 0.8088),
    "matbench_log_gvrh": ("coNGN 0.0670", 0.2931),
    "matbench_log_kvrh": ("coNGN 0.0491", 0.2897),
    "matbench_perovskites": ("coGN 0.0269", 0.5660),
    "matbench_mp_gap": ("coGN 0.1559", 1.3272),
}
HEADINGS = (
    "task", "kind", "MAE", "each fold", "board", "mean",
    "parameters", "epochs", "s a fold", "machine",
)  # fmt: skip


def keep(runs: Sequence[Path], kind: str, note: str) -> None:
    """Copy the predictions of a benchmark's folds, and what is to be said of them.

    Of members, which differ by seed, the mean of what they predict is copied, of the
    folds that all have.
    """
    machine = f"{describe_machine()}{note and ', '}{note}"
    members = by_seed([read_member(run, machine) for run in runs])
    if kind == "single" and len(members) > 1:
        raise SystemExit(f"a single network has one seed, got {len(members)}")
    numbers = sorted(set.intersection(*(set(m.predictions) for m in members)))
    if not numbers:
        raise SystemExit("expected runs with a fold in common, got none")
    folder = RESULTS / members[0].task
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("fold", "id", "prediction"))
    for number in numbers:
        predictions = [member.predictions[number] for member in members]
        for id_ in predictions[0]:
            mean = float(np.mean([values[id_] for values in predictions]))
            rows.writerow((number, id_, f"{mean:.6g}"))
    content = gzip.compress(text.getvalue().encode(), mtime=0)
    (folder / f"{kind}.csv.gz").write_bytes(content)
    notes = {
        **members[0].facts,
        "members": sum(member.facts["members"] for member in members),
        "seconds": [
            round(sum(member.seconds[number] for member in members))
            for number in numbers
        ],
        "machine": "; ".join(unique(name for m in members for name in m.machines)),
        "settings": members[0].settings,
    }
    (folder / f"{kind}.json").write_text(json.dumps(notes, indent=1) + "\n")


def table(data: Path) -> list[tuple[str, ...]]:
    """Return a row for each task and kind."""
    rows = []
    for task in BOARD:
        kinds = [
            kind for kind in KINDS if (RESULTS / task / f"{kind}.csv.gz").is_file()
        ]
        truth = targets(data, task) if kinds else {}
        rows += [row(task, kind, truth) for kind in kinds]
    return rows


def row(task: str, kind: str, truth: dict[str, float]) -> tuple[str, ...]:
    """Return a row of the table."""
    notes = json.loads((RESULTS / task / f"{kind}.json").read_text())
    errors: dict[str, list[float]] = {}
    with gzip.open(RESULTS / task / f"{kind}.csv.gz", "rt") as file:
        for line in csv.DictReader(file):
            error = abs(float(line["prediction"]) - truth[line["id"]])
            errors.setdefault(line["fold"], []).append(error)
    maes = [float(np.mean(fold)) for fold in errors.values()]
    best, mean = BOARD[task]
    members = f" of {notes['members']}" if notes["members"] > 1 else ""
    folds = ", ".join(f"{k}: {mae:.4g}" for k, mae in zip(errors, maes, strict=True))
    seconds = float(np.mean(notes["seconds"]))
    return (
        task, f"{kind}{members}", f"{np.mean(maes):.4g} ± {np.std(maes):.2g}", folds,
        best, f"{mean:g}", f"{notes['parameters']:,}", str(notes["epochs"]),
        f"{seconds:.0f}", notes["machine"],
    )  # fmt: skip


def targets(data: Path, task: str) -> dict[str, float]:
    """Return the official target of each id."""
    official = find_task(task)
    source = f"{task}:{data / f'{task}.jsonl.gz'}"
    entries = open_source(source, (official.target,)).entries()
    return {e.id: e.targets[official.target] for e in entries if isinstance(e, Entry)}


def main() -> None:
    """Keep predictions, or print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True, dest="command")
    keeping = commands.add_parser("keep", help="keep the predictions of a run")
    keeping.add_argument(
        "runs",
        type=Path,
        nargs="+",
        help="folders of sitenet benchmark, or single.csv.gz",
    )
    keeping.add_argument("kind", choices=KINDS)
    keeping.add_argument("--threads", type=int, default=1, help="of the run")
    keeping.add_argument("--note", default="", help="on the machine, such as its load")
    printing = commands.add_parser("table", help="print the table")
    printing.add_argument("data", type=Path, help="folder of the tasks' files")
    args: Any = parser.parse_args()
    if args.command == "keep":
        torch.set_num_threads(args.threads)
        keep(args.runs, args.kind, args.note)
        return
    for cells in (HEADINGS, ("---",) * len(HEADINGS), *table(args.data)):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
