"""Where the errors on official tasks sit: sizes, values, elements, the worst crystals.

    python benchmarks/accuracy_errors.py DATA

reads the predictions that `accuracy.py` keeps and the files of their tasks in a folder,
and prints the Markdown of ``docs/accuracy.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from accuracy import BOARD, RESULTS
from accuracy_runs import read_kept
from numpy.typing import NDArray
from out_of_domain_splits import Crystal, read_crystals
from pymatgen.core import Composition

LEAST_WITH_ELEMENT, NUM_ELEMENTS, NUM_WORST = 50, 6, 5
WHERE = (
    "task", "crystals", "MAE", "median", "of the worst 1 %", "of the worst 10 %",
    "few sites", "some", "many", "smallest values", "middle", "largest",
    "elements with the largest MAE",
)  # fmt: skip
WORST = ("task", "crystal", "formula", "sites", "target", "prediction")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """Predictions of a task, and what they are of.

    Attributes:
        name: Of the task.
        crystals: In the order of the predictions.
        predictions: Their values.
    """

    name: str
    crystals: list[Crystal]
    predictions: Array

    @cached_property
    def targets(self) -> Array:
        """The official values."""
        return np.array([crystal["target"] for crystal in self.crystals])

    @cached_property
    def errors(self) -> Array:
        """Absolute errors."""
        errors: Array = np.abs(self.predictions - self.targets)
        return errors

    @cached_property
    def sizes(self) -> Array:
        """Sites of each cell."""
        return np.array([len(species(crystal)) for crystal in self.crystals], float)


def read_task(name: str, data: Path) -> Task:
    """Read what is kept of a task."""
    crystals = {c["id"]: c for c in read_crystals(data / f"{name}.jsonl.gz", None)}
    folds = read_kept(RESULTS / name / "single.csv.gz").predictions.values()
    predictions = {id_: value for fold in folds for id_, value in fold.items()}
    chosen = [crystals[id_] for id_ in predictions]
    return Task(name, chosen, np.array([*predictions.values()]))


def species(crystal: Crystal) -> list[str]:
    """Return the element of each site."""
    elements: list[str] = crystal["structure"]["species"]
    return elements


def where(task: Task) -> Iterator[str]:
    """Yield the cells of a row: where the errors are large."""
    errors = task.errors
    yield from (task.name, str(len(errors)), f"{errors.mean():.4g}")
    yield f"{np.median(errors):.3g}"
    falling = np.sort(errors)[::-1]
    for share in (0.01, 0.1):
        yield f"{falling[: round(share * len(errors))].sum() / errors.sum():.0%}"
    yield from thirds(errors, task.sizes)
    yield from thirds(errors, task.targets)
    yield ", ".join(f"{name} {mae:.2g}" for name, mae in worst_elements(task))


def thirds(errors: Array, values: Array) -> Iterator[str]:
    """Yield the mean error of each third of the crystals, ordered by a value."""
    if np.ptp(values) == 0:
        yield from ("-", "-", "-")
        return
    for places in np.array_split(np.argsort(values, kind="stable"), 3):
        yield f"{errors[places].mean():.3g}"


def worst_elements(task: Task) -> list[tuple[str, float]]:
    """Return elements by the mean error of the crystals that have them."""
    own = [set(species(crystal)) for crystal in task.crystals]
    counts = Counter(symbol for symbols in own for symbol in symbols)
    means = {
        symbol: float(task.errors[[symbol in symbols for symbols in own]].mean())
        for symbol, count in counts.items()
        if count >= LEAST_WITH_ELEMENT
    }
    return sorted(means.items(), key=lambda pair: -pair[1])[:NUM_ELEMENTS]


def worst(task: Task) -> Iterator[Sequence[str]]:
    """Yield a row for each of the crystals with the largest errors."""
    for place in np.argsort(-task.errors)[:NUM_WORST]:
        crystal = task.crystals[place]
        formula = Composition(Counter(species(crystal))).reduced_formula
        values = (task.targets[place], task.predictions[place])
        sites = f"{task.sizes[place]:.0f}"
        yield task.name, crystal["id"], formula, sites, *(f"{v:.3f}" for v in values)


def print_table(headings: Sequence[str], rows: Iterable[Iterable[str]]) -> None:
    """Print a table as Markdown."""
    for cells in (headings, ("---",) * len(headings), *rows):
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the tasks' files")
    data = parser.parse_args().data
    kept = [name for name in BOARD if (RESULTS / name / "single.csv.gz").is_file()]
    tasks = [read_task(name, data) for name in kept]
    print_table(WHERE, map(where, tasks))
    print()
    print_table(WORST, (row for task in tasks for row in worst(task)))


if __name__ == "__main__":
    main()
