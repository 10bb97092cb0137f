"""Figures of where the errors are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import ScalarFormatter
from pymatgen.core import Element

from pyg_sitenet.figures.panels import (
    BLUE,
    COLORS,
    GREY,
    VERMILION,
    make_panels,
    save_figure,
    say,
)

_RARE = 5  # crystals; below, a mean is hatched as uncertain


def plot_errors(
    path: Path,
    crystals: pd.DataFrame,
    table: pd.DataFrame,
    measures: dict[str, str],
    error: str,
    label: str,
) -> Path:
    """Draw the size of the error over each measure, crystals and their group means.

    Args:
        path: The PNG file to write.
        crystals: Table of crystals.
        table: What :func:`~pyg_sitenet.analysis.errors.errors_by_measure` returned.
        measures: Names of the measures and their columns.
        error: Column of the error.
        label: What it is, with its unit.
    """
    figure, panels = make_panels(1, len(measures), width=3.8, height=3.6)
    for axes, (name, column) in zip(panels[0], measures.items(), strict=True):
        groups = table[table["measure"] == name]
        if groups.empty:
            say(axes, "no known values")
            continue
        _draw_points(axes, crystals[column], crystals[error].abs())
        bars = groups["standard error"].fillna(0)
        axes.errorbar(
            groups["middle"], groups["mae"], bars, color=VERMILION, marker="s", ms=5,
            capsize=3, lw=2, label="mean of a group, with its standard error",
        )  # fmt: skip
        axes.set(xlabel=column, ylabel=f"size of the error of {label}")
        if name == "size":
            axes.set_xscale("log", subs=(2, 3, 5))
            axes.xaxis.set_minor_formatter(ScalarFormatter())
            axes.xaxis.set_major_formatter(ScalarFormatter())
    panels[0, 0].legend(fontsize=8)
    return save_figure(figure, path)


def plot_errors_by_element(path: Path, table: pd.DataFrame, label: str) -> Path:
    """Draw a periodic table with the mean error of the crystals with each element.

    Args:
        path: The PNG file to write.
        table: What :func:`~pyg_sitenet.analysis.errors.errors_by_element` returned.
        label: What the error is, with its unit.
    """
    figure, panels = make_panels(1, 1, width=10.5, height=5.2)
    axes = panels[0, 0]
    sure = table[table["crystals"] >= _RARE]["mae"]
    # One element beyond all others must not make these look alike.
    top = float((sure if len(sure) else table["mae"]).quantile(0.95))
    scale = Normalize(0, top, clip=True)
    for _, row in table.iterrows():
        _draw_element(axes, row, scale)
    axes.set(xlim=(0.4, 18.6), ylim=(9.7, 0.4))
    axes.set_axis_off()
    axes.set_title(
        f"Mean size of the error of {label} over the crystals with an element "
        f"(number of crystals below; hatched: fewer than {_RARE})",
        fontsize=10,
    )
    return save_figure(figure, path)


def _draw_points(axes: Axes, measure: pd.Series, size: pd.Series) -> None:
    share = float(np.clip(200 / max(len(size), 1), 0.1, 0.6))
    axes.plot(measure, size, "o", color=BLUE, alpha=share, ms=4, mew=0)
    top = float(size.max()) * 1.25  # room for the legend
    axes.set_ylim(0, top if top > 0 else 1)


def _draw_element(axes: Axes, row: pd.Series, scale: Normalize) -> None:
    symbol, mae, count = row["element"], row["mae"], row["crystals"]
    period, group = _place(symbol)
    color = colormaps[COLORS](scale(mae))
    rare = count < _RARE
    box = Rectangle(
        (group - 0.48, period - 0.48), 0.96, 0.96,
        facecolor="white" if rare else color, edgecolor=GREY, lw=0.6,
        hatch="//" if rare else "",
    )  # fmt: skip
    axes.add_patch(box)
    # Black on the light half of the map, white on the dark one.
    ink = "black" if rare or scale(mae) > 0.45 else "white"
    lines = ((-0.22, symbol, 10), (0.08, f"{mae:.2g}", 8), (0.33, f"{count:.0f}", 6))
    for below, text, size in lines:
        written = axes.text(
            group, period + below, text, fontsize=size, ha="center", va="center",
            color=ink, weight="bold" if text == symbol else "normal",
        )  # fmt: skip
        if rare:
            written.set_bbox({"facecolor": "white", "lw": 0, "pad": 0.5})


def _place(symbol: str) -> tuple[float, int]:
    """Return row and column; the f elements stand in two rows below the others."""
    element = Element(symbol)
    for row, first in ((8.2, 57), (9.2, 89)):
        if first <= element.Z < first + 15:
            return row, element.Z - first + 3
    return element.row, element.group
