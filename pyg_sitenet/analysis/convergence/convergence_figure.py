"""Figures of convergence: by number of atoms, by shape of the box, by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, ScalarFormatter

from pyg_sitenet.analysis.convergence.measurement import ASPECT, ENVIRONMENTS, RADIUS
from pyg_sitenet.analysis.convergence.rule import QUANTILE, SHAPES, change_table
from pyg_sitenet.figures.panels import (
    BLUE,
    GREY,
    VERMILION,
    make_panels,
    save_figure,
    say,
)

_MARKERS, _COLORS = ("o", "^", "s"), (BLUE, "#E69F00", VERMILION)


def plot_changes(
    path: Path, steps: pd.DataFrame, columns: Sequence[str], tolerance: float | None
) -> Path:
    """Draw the size of changes over the limit: a row per change, each crystal a line.

    Args:
        path: The PNG file to write.
        steps: Those of a convergence.
        columns: Which changes.
        tolerance: Drawn as a line, if there is one.
    """
    figure, panels = make_panels(
        len(columns), len(ENVIRONMENTS), width=4.4, height=3.4, share_y=True
    )
    for row, column in zip(panels, columns, strict=True):
        for axes, environment in zip(row, ENVIRONMENTS, strict=True):
            part = steps[(steps["environment"] == environment)]
            _draw_changes(axes, part[~part["is reference"]], column)
            if tolerance is not None:
                axes.axhline(tolerance, color=GREY, ls=":", label="tolerance")
            axes.set_title(environment, fontsize=10)
            axes.set_xlabel("atoms that a site may see")
        row[0].set_ylabel(f"size of the\n{column}")
    for axes in panels.flat:
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7)
            break
    return save_figure(figure, path)


def plot_shapes(path: Path, steps: pd.DataFrame, columns: Sequence[str]) -> Path:
    """Draw the change over the inscribed radius, supercells by their shape."""
    figure, panels = make_panels(len(columns), 2, width=4.4, height=3.6, share_y=True)
    steps = steps[~steps["is reference"]]
    for row, column in zip(panels, columns, strict=True):
        boxes = steps[steps["environment"] == "supercell"]
        _draw_shapes(row[0], boxes, column)
        spheres = steps[steps["environment"] == "sphere"]
        row[1].plot(
            spheres[RADIUS], _positive(spheres[column]), "o", color=BLUE, ms=3,
            alpha=0.5, mew=0,
        )  # fmt: skip
        row[0].set(title="supercell", ylabel=f"size of the\n{column}")
        row[1].set(title="sphere", xlim=(0, steps[RADIUS].max() * 1.05))
        row[0].set_xlim(row[1].get_xlim())
        for axes in row:
            axes.set(xlabel="inscribed radius [Å]", yscale="log")
    return save_figure(figure, path)


def _draw_changes(axes: Axes, part: pd.DataFrame, column: str) -> None:
    if part.empty:
        say(axes, "no crystal in two sizes")
        return
    crystals = [crystal for _, crystal in part.groupby("id")]
    share = float(np.clip(20 / len(crystals), 0.05, 0.5))
    for number, crystal in enumerate(crystals):
        axes.plot(
            crystal["max_atoms"], _positive(crystal[column]), color=GREY, lw=0.7,
            alpha=share, label="a crystal" if number == 1 else None,
        )  # fmt: skip
    table = change_table(part, [column])
    upper = f"quantile {QUANTILE}"
    median = "median" if len(crystals) > 1 else "the one crystal"
    lines = [("median", median, BLUE, "-o"), (upper, upper, VERMILION, "--s")]
    for name, label, color, style in lines[: len(crystals)]:
        size = table[name]
        axes.plot(table["max_atoms"], size, style, color=color, ms=4, lw=2, label=label)
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(sorted(part["max_atoms"].unique()))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.tick_params(axis="x", labelsize=7, which="both")
    axes.xaxis.set_minor_locator(NullLocator())


def _draw_shapes(axes: Axes, boxes: pd.DataFrame, column: str) -> None:
    styles = zip(SHAPES, _MARKERS, _COLORS, strict=True)
    for (low, high, shape), marker, color in styles:
        part = boxes[(boxes[ASPECT] >= low) & (boxes[ASPECT] < high)]
        bound = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and above"
        axes.plot(
            part[RADIUS], _positive(part[column]), marker, color=color, ms=4, mew=0,
            alpha=0.6, label=f"{shape}: aspect {bound}",
        )  # fmt: skip
    axes.legend(fontsize=7, loc="upper right")


def _positive(change: pd.Series) -> pd.Series:
    """Return sizes that a logarithmic axis can show."""
    return change.abs().replace(0, np.nan)
