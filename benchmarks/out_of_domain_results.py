"""What `out_of_domain.py` measured: a row for each crystal, a table and a figure."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

FILE = Path(__file__).parent / "results" / "out_of_domain.csv.gz"
FIGURE = Path(__file__).parents[1] / "docs" / "novelty.png"
JOB = ("task", "split", "seed")
FIELDS = (
    *JOB, "left_out", "part", "id", "truth", "predicted", "size", "novelty",
    "before_half", "after_half", "before_warned", "after_warned",
)  # fmt: skip
COLOURS = {"ordinary": "#555555", "left out": "#D55E00"}
LOWEST = 5e-4  # novelty that the figure can show
COLUMNS = 3  # of panels
Row = dict[str, str]
Array = NDArray[np.float64]


def read_results() -> list[Row]:
    """Return the rows of all runs so far."""
    if not FILE.is_file():
        return []
    with gzip.open(FILE, "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def keep(
    job: tuple[str, str, str], left_out: str, rows: Iterable[dict[str, object]]
) -> None:
    """Keep the rows of a run, in place of those that it had."""
    own = dict(zip(JOB, job, strict=True)) | {"left_out": left_out}
    others = [row for row in read_results() if tuple(row[k] for k in JOB) != job]
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    table.writerows([*others, *(own | row for row in rows)])
    FILE.parent.mkdir(exist_ok=True)
    fresh = FILE.with_suffix(".new")
    fresh.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    fresh.replace(FILE)


class Part:
    """The crystals of a run that were ordinary, or those left out.

    Args:
        rows: Their rows.
    """

    def __init__(self, rows: list[Row]) -> None:
        self.size = len(rows)
        truth, predicted = _column(rows, "truth"), _column(rows, "predicted")
        self.errors = np.abs(truth - predicted)
        ranks = predicted.argsort().argsort()
        self.thirds = 3 * ranks // max(1, len(ranks))
        self.novelty = _column(rows, "novelty")
        self._sizes = _column(rows, "size")
        self._halves = {k: _column(rows, f"{k}_half") for k in ("before", "after")}
        self._warned = {k: _column(rows, f"{k}_warned") for k in ("before", "after")}

    @property
    def mae(self) -> str:
        """Mean error."""
        return f"{self.errors.mean():.3g}"

    def coverage(self, when: str) -> str:
        """Share of crystals inside their interval."""
        return _percent(self.inside(when))

    def inside(self, when: str) -> NDArray[np.bool_]:
        """Tell of each crystal whether it is inside its interval."""
        return self.errors <= self._halves[when]

    def is_warned(self, when: str) -> NDArray[np.bool_]:
        """Tell of each crystal whether it is warned about."""
        return self._warned[when] > 0

    def wider(self) -> str:
        """Mean width after, over that before."""
        return f"{self._halves['after'].mean() / self._halves['before'].mean():.2f}"

    def warned(self, when: str) -> str:
        """Share of crystals that are warned about."""
        return _percent(self._warned[when])

    def worst_warned(self, when: str) -> str:
        """Share of the worst tenth that is warned about."""
        is_worst = self.errors >= np.quantile(self.errors, 0.9)
        return _percent(self._warned[when][is_worst])

    def worst_ranked(self) -> str:
        """Share of the worst tenth that is in the most unlike tenth."""
        is_worst = self.errors >= np.quantile(self.errors, 0.9)
        return _percent(self._sizes[is_worst] >= np.quantile(self._sizes, 0.9))


def print_tables() -> None:
    """Print a line for each split, before and after."""
    heads = (
        "task", "left out", "crystals", "MAE, others", "MAE, left out",
        "90 % hold, others", "left out", "times wider", "warned, others", "left out",
        "worst tenth", "in the most unlike tenth",
    )  # fmt: skip
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for (task, left_out), parts in runs():
        print("| " + " | ".join(cells(task, left_out, parts)) + " |")


def print_thirds() -> None:
    """Print of the ordinary crystals of all runs how many are inside and warned about.

    Of all, and of each third by predicted value in each run.
    """
    tasks: dict[str, list[Part]] = {}
    for (task, _), parts in runs():
        tasks.setdefault(task, []).append(parts["ordinary"])
    all_parts = [part for parts in tasks.values() for part in parts]
    print(
        "\n| task | crystals | 90 % hold | smallest third | middle | largest | warned |"
    )
    print("|" + "---|" * 7)
    for task, parts in [*tasks.items(), ("all", all_parts)]:
        thirds = np.concatenate([part.thirds for part in parts])
        inside = [
            np.concatenate([part.inside(when) for part in parts])
            for when in ("before", "after")
        ]
        warned = np.concatenate([part.is_warned("after") for part in parts])
        chosen = [thirds >= 0, *(thirds == k for k in range(3))]
        shares = [
            " → ".join(_percent(values[rows]) for values in inside) for rows in chosen
        ]
        line = [task.removeprefix("matbench_"), str(len(thirds)), *shares]
        print("| " + " | ".join([*line, f"{100 * warned.mean():.1f} %"]) + " |")


def runs() -> Iterator[tuple[tuple[str, str], dict[str, Part]]]:
    """Yield task, what was left out and both parts of each run."""
    groups: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in read_results():
        key = row["task"], row["left_out"], row["seed"]
        groups.setdefault(key, {}).setdefault(row["part"], []).append(row)
    for (task, left_out, _), parts in groups.items():
        yield (task, left_out), {name: Part(rows) for name, rows in parts.items()}


def cells(task: str, left_out: str, parts: dict[str, Part]) -> list[str]:
    """Return the cells of a line, before and after with an arrow between."""
    others, out = parts["ordinary"], parts.get("left out")
    first = [task.removeprefix("matbench_"), left_out]
    both = [_arrow(others.coverage), _arrow(others.warned)]
    if out is None:
        return [
            *first,
            "",
            others.mae,
            "",
            both[0],
            "",
            "",
            both[1],
            "",
            "",
            others.worst_ranked(),
        ]
    return [
        *first, str(out.size), others.mae, out.mae,
        both[0], _arrow(out.coverage), out.wider(),
        both[1], _arrow(out.warned), _arrow(out.worst_warned),
        out.worst_ranked(),
    ]  # fmt: skip


def draw() -> None:
    """Draw errors against novelty, those of ordinary crystals beside those left out."""
    tasks: dict[str, dict[str, list[Part]]] = {}
    for (task, _), parts in runs():
        for name, part in parts.items():
            tasks.setdefault(task, {}).setdefault(name, []).append(part)
    if not tasks:
        return
    rows = -(-len(tasks) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 3.4 * rows), layout="constrained")
    for k, (task, parts) in enumerate(tasks.items(), 1):
        axes = figure.add_subplot(rows, COLUMNS, k)
        for name, several in parts.items():
            novelty = np.concatenate([part.novelty for part in several])
            errors = np.concatenate([p.errors / _mean(parts) for p in several])
            shown = novelty.clip(LOWEST)
            colour = COLOURS[name]
            axes.plot(shown, errors, ".", color=colour, alpha=0.3, ms=3)
            axes.plot(*_curve(shown, errors), "o-", color=colour, label=name)
        axes.axvline(0.01, color="k", lw=0.8, ls=":")
        axes.set(
            xscale="log", yscale="log", xlim=(1.2, LOWEST * 0.8), ylim=(0.02, None),
            xlabel="novelty (unlike to the right)",
            title=task.removeprefix("matbench_"),
        )  # fmt: skip
        if k % COLUMNS == 1:
            axes.set_ylabel("error / mean error of ordinary crystals")
        if k == 1:
            axes.legend(fontsize="small", frameon=False, title="90th percentile")
    figure.savefig(FIGURE, dpi=120)


def _mean(parts: dict[str, list[Part]]) -> float:
    errors = np.concatenate([part.errors for part in parts["ordinary"]])
    return float(errors.mean())


def _curve(novelty: Array, errors: Array) -> tuple[list[float], list[float]]:
    """Return the 90th percentile of the errors in ranges of novelty."""
    points = []
    edges = [2.0, 0.5, 0.2, 0.1, 0.03, 0.01, 0.0]
    for high, low in pairwise(edges):
        inside = (novelty >= low) & (novelty < high)
        if inside.sum() >= 10:
            middle = float(np.median(novelty[inside]))
            points.append((middle, float(np.quantile(errors[inside], 0.9))))
    return [x for x, _ in points], [y for _, y in points]


def _column(rows: list[Row], name: str) -> Array:
    return np.array([float(row[name]) for row in rows])


def _percent(values: NDArray[np.bool_] | Array) -> str:
    return f"{100 * float(np.mean(values)):.0f} %"


def _arrow(share: Callable[[str], str]) -> str:
    return f"{share('before')} → {share('after')}"
