"""What ``paper_tables.py`` found: rows in a file, a table and a figure."""

from __future__ import annotations

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

RESULTS = Path(__file__).with_name("paper_tables.csv")
FIGURE = Path(__file__).parents[1] / "docs" / "paper_tables.png"
# Test MAE, eV, and its last digit's error: table 3 of the paper.
PUBLISHED = {
    (50, 1000): "0.75(5)",
    (50, 10000): "0.47(3)",
    (100, 1000): "0.78(5)",
    (100, 10000): "0.49(3)",
}
FIELDS = (
    "preset", "atoms", "crystals", "seed", "test_mae", "test_crystals",
    "parameters", "epochs", "seconds", "machine", "settings",
)  # fmt: skip
COLOURS = {
    "paper": "#0072B2",
    "paper, 500 epochs": "#56B4E9",
    "paper, within 5 A": "#D55E00",
    "default": "#009E73",
    "published": "#555555",
}
MARKS = {50: "o", 100: "s"}


def add_row(row: tuple[object, ...]) -> None:
    """Keep the row of a run."""
    is_new = not RESULTS.is_file()
    with RESULTS.open("a", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if is_new:
            rows.writerow(FIELDS)
        rows.writerow(row)


def read_results() -> list[dict[str, str]]:
    """Return the rows of all runs so far."""
    if not RESULTS.is_file():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def print_table(presets: Collection[str]) -> None:
    """Print a line for each N and amount, published values beside those found."""
    rows = read_results()
    print("| N | training crystals | published | " + " | ".join(presets) + " |")
    print("|" + "---|" * (3 + len(presets)))
    for (atoms, size), published in PUBLISHED.items():
        cells = [mean_error(rows, preset, atoms, size) for preset in presets]
        shown = ["" if cell is None else f"{cell:.3f}" for cell in cells]
        print(f"| {atoms} | {size:,} | {published} | " + " | ".join(shown) + " |")


def mean_error(
    rows: list[dict[str, str]], preset: str, atoms: int, size: int
) -> float | None:
    """Return the mean test error over the seeds, None without a run."""
    key = (preset, str(atoms), str(size))
    errors = [
        float(row["test_mae"])
        for row in rows
        if (row["preset"], row["atoms"], row["crystals"]) == key
    ]
    return float(np.mean(errors)) if errors else None


def draw(presets: Collection[str]) -> None:
    """Draw the error against the amount of data."""
    rows = read_results()
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for atoms, mark in MARKS.items():
        for name in ("published", *presets):
            points = curve(rows, name, atoms)
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    color=COLOURS[name],
                    marker=mark,
                    linestyle="--" if name == "published" else "-",
                    label=f"{name}, N = {atoms}",
                )
    axes.set(
        xscale="log",
        xlabel="training crystals",
        ylabel="test MAE of the band gap / eV",
        ylim=(0, None),
    )
    axes.legend(fontsize="small", frameon=False)
    figure.savefig(FIGURE, dpi=120)


def curve(rows: list[dict[str, str]], name: str, atoms: int) -> list[tuple[int, float]]:
    """Return the errors at the amounts that there are."""
    points = []
    for size in sorted({size for _, size in PUBLISHED} | sizes_of(rows)):
        if name == "published":
            value = PUBLISHED.get((atoms, size))
            error = float(value.partition("(")[0]) if value else None
        else:
            error = mean_error(rows, name, atoms, size)
        if error is not None:
            points.append((size, error))
    return points


def sizes_of(rows: list[dict[str, str]]) -> set[int]:
    """Return the amounts that were run."""
    return {int(row["crystals"]) for row in rows}
