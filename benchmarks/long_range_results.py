"""What ``long_range.py`` found: kept line by line, as a table and as a figure."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from charged_crystals import TASKS, ChargedCrystal, truncated_energy
from matplotlib.figure import Figure

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
_STYLES = {"electrostatic": (BLUE, "o", "-"), "control": (VERMILION, "s", "--")}
_JOB = ("learner", "task", "orders", "seed")

# Of each crystal: long-range coefficient, cube root of the volume, far share.
_KINDS = {
    "coefficient, A": lambda reach, _side, _far: float(reach.mean()),
    "its correlation": lambda reach, side, _far: float(np.corrcoef(side, reach)[0, 1]),
    "share beyond 5 A": lambda _reach, _side, far: float(far.mean()),
}

Row = Mapping[str, Any]


class Results:
    """Lines of JSON in a folder, one file per worker."""

    def __init__(self, folder: Path, worker: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / f"results-{worker}.jsonl"

    def all(self) -> list[Row]:
        """Return everything found so far."""
        files = sorted(self.folder.glob("results-*.jsonl"))
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [json.loads(line) for line in lines]

    def has(self, job: Row, epochs: int) -> bool:
        """Say whether there is a result of this job."""
        wanted = {**job, "epochs": epochs}
        return any(
            all(row.get(key) == value for key, value in wanted.items())
            for row in self.all()
        )

    def add(self, row: Row) -> None:
        """Keep a result."""
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")


def print_truth(groups: Sequence[Sequence[ChargedCrystal]]) -> None:
    """Print how much of the electrostatic energy a local sum misses."""
    some = [group[0] for group in groups]
    exact = np.array([crystal.energies["electrostatic"] for crystal in some])
    spread = np.abs(exact - np.median(exact)).mean()
    print(f"{len(some)} crystals; mean distance from the median {spread:.3f} eV/site")
    for radius in (5.0, 8.0, 13.0):
        local = np.array(
            [truncated_energy(crystal.structure, radius) for crystal in some]
        )
        missed = np.abs(local - exact).mean()
        print(f"a neutralised sum within {radius:g} A misses {missed:.3f} eV/site")


def print_table(rows: Sequence[Row], learners: Sequence[str]) -> None:
    """Print mean test errors over the seeds, a line per learner."""
    amounts = sorted({row["orders"] for row in rows})
    columns = [(task, amount) for task in TASKS for amount in amounts]
    sizes = {row["orders"]: row["training crystals"] for row in rows}
    heads = [f"{task}, {sizes[amount]} crystals" for task, amount in columns]
    print("| test MAE, eV/site | " + " | ".join(heads) + " | seeds |")
    print("|" + "---|" * (len(heads) + 2))
    for name in ["a constant (the median)", *learners]:
        cells, seeds = [], set()
        for task, amount in columns:
            key = "mae" if name in learners else "constant"
            errors = [
                row[key] for row in rows
                if (row["task"], row["orders"]) == (task, amount)
                and name in (row["learner"], "a constant (the median)")
            ]  # fmt: skip
            if key == "constant":
                errors = list(dict.fromkeys(round(error, 9) for error in errors))
            cells.append(_mean(errors))
            seeds.add(str(len(errors)))
        print(f"| {name} | {' | '.join(cells)} | {', '.join(sorted(seeds))} |")
    _print_reaches(rows)


def _print_reaches(rows: Sequence[Row]) -> None:
    """Print how far predictions reach, a line per learner that attends to all."""
    most = max((row["orders"] for row in rows), default=0)
    reached = [row for row in rows if "reach" in row and row["orders"] == most]
    heads = [f"{kind}, {task}" for kind in _KINDS for task in TASKS]
    print("\n| reach | " + " | ".join(heads) + " |")
    print("|" + "---|" * (len(heads) + 1))
    for name in dict.fromkeys(row["learner"] for row in reached):
        cells = []
        for reach in _KINDS.values():
            for task in TASKS:
                group = (
                    r for r in reached if (r["learner"], r["task"]) == (name, task)
                )
                cells.append(_mean([reach(*np.array(row["reach"]).T) for row in group]))
        print(f"| {name} | {' | '.join(cells)} |")


def _most_accurate(rows: Sequence[Row]) -> str:
    """Return which learner that attends to all has the lowest electrostatic error."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        if "reach" in row and row["task"] == "electrostatic":
            errors.setdefault(row["learner"], []).append(row["mae"])
    return min(errors, key=lambda name: statistics.mean(errors[name]), default="")


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the errors, and how far the best learner reaches in both tasks."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    errors, *reaches = figure.subplots(1, 3, width_ratios=(1.2, 1, 1))
    most = max((row["orders"] for row in rows), default=0)
    rows = [row for row in rows if row["orders"] == most]
    _draw_errors(errors, rows)
    learner = _most_accurate(rows)
    names = ("long-range coefficient [Å]", "share of pairs beyond 5 Å")
    for axes, name, column in zip(reaches, names, (0, 2), strict=True):
        _draw_reach(axes, [row for row in rows if row["learner"] == learner], column)
        axes.set_ylabel(name)
    figure.suptitle(f"right: {learner}", fontsize=10)
    figure.savefig(path, dpi=150)


def _draw_reach(axes: Any, rows: Sequence[Row], column: int) -> None:  # noqa: ANN401
    for task in TASKS:
        color, marker, line = _STYLES[task]
        chosen = (row for row in rows if row["task"] == task)
        points = np.array([point for row in chosen for point in row.get("reach", ())])
        if len(points):
            x, y = points[:, 1], points[:, column]
            axes.plot(x, y, marker, color=color, alpha=0.35, ms=4, mew=0, label=task)
            ends = np.array([x.min(), x.max()])
            axes.plot(ends, np.polyval(np.polyfit(x, y, 1), ends), line, color=color)
    axes.set_xlabel("cube root of the cell's volume [Å]")
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)


def _draw_errors(axes: Any, rows: Sequence[Row]) -> None:  # noqa: ANN401 - Axes
    names = list(dict.fromkeys(row["learner"] for row in rows))
    for task in TASKS:
        color, marker, _ = _STYLES[task]
        for row in rows:
            if row["task"] == task:
                share = row["mae"] / row["constant"]
                axes.plot(share, names.index(row["learner"]), marker, color=color)
        axes.plot([], [], marker, color=color, label=task)
    axes.axvline(1, color=GREY, ls=":", lw=1)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("test MAE / MAE of the median")
    axes.legend(fontsize=8)
