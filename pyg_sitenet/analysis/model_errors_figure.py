"""Figures of where the errors are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
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
_QUANTILE = 0.95  # few values beyond all others must not make these look alike
_PERIOD_7, _LANTHANIDES, _ACTINIDES = 7.0, 8.2, 9.2  # rows of the periodic table


def plot_errors(
    path: Path,
    crystals: pd.DataFrame,
    table: pd.DataFrame,
    measures: dict[str, str],
    error: str,
    label: str,
) -> Path:
    """Draw the size of the error over each measure, crystals and their group means.

    Errors far beyond the 95 % quantile are drawn at the upper edge and counted.

    Args:
        path: The PNG file to write.
        crystals: Table of crystals.
        table: Result of :func:`~.model_errors.errors_by_measure`.
        measures: Names of the measures and their columns.
        error: Column of the error.
        label: What it is, with its unit.
    """
    figure, panels = make_panels(1, len(measures), width=3.8, height=3.6)
    size = crystals[error].abs()
    top = _highest(size, table)
    for axes, (name, column) in zip(panels[0], measures.items(), strict=True):
        groups = table[table["measure"] == name]
        if groups.empty:
            say(axes, "no known values")
            continue
        _draw_points(axes, crystals[column], size, top)
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
    shown = panels[0, 0].get_legend_handles_labels()
    figure.legend(*shown, fontsize=9, ncols=2, loc="outside upper center")
    return save_figure(figure, path)


def plot_errors_by_element(path: Path, table: pd.DataFrame, label: str) -> Path:
    """Draw a periodic table with the mean error of the crystals with each element.

    Args:
        path: The PNG file to write.
        table: Result of :func:`~.model_errors.errors_by_element`.
        label: What the error is, with its unit.
    """
    places = _places(table["element"])
    bottom = max([3.0, *(row for row, _ in places)]) + 0.5
    figure, panels = make_panels(1, 1, width=10.5, height=0.5 * bottom + 0.4)
    axes = panels[0, 0]
    sure = table[table["crystals"] >= _RARE]["mae"]
    top = float((sure if len(sure) else table["mae"]).quantile(_QUANTILE))
    colors = ScalarMappable(Normalize(0, top, clip=True), COLORS)
    for place, (_, row) in zip(places, table.iterrows(), strict=True):
        _draw_element(axes, row, place, colors)
    axes.set(xlim=(0.4, 18.6), ylim=(bottom, 0.4))
    axes.set_axis_off()
    axes.set_title(
        f"Mean size of the error of {label} over the crystals with an element "
        f"(number of crystals below; hatched: fewer than {_RARE})",
        fontsize=10,
    )
    _draw_colorbar(figure, axes, colors, label)
    return save_figure(figure, path)


def _highest(size: pd.Series, table: pd.DataFrame) -> float:
    """Return where the axis of errors ends: at all means, if not at all crystals."""
    means = (table["mae"] + table["standard error"].fillna(0)).max()
    top = min(size.max(), max(1.5 * size.quantile(_QUANTILE), means))
    return float(top) if top > 0 else 1.0


def _draw_points(axes: Axes, measure: pd.Series, size: pd.Series, top: float) -> None:
    share = float(np.clip(200 / max(len(size), 1), 0.1, 0.6))
    inside, above = size <= top, size > top
    axes.plot(measure[inside], size[inside], "o", color=BLUE, alpha=share, ms=4, mew=0)
    if above.any():
        text = f"{above.sum()} crystals with larger errors, up to {size.max():.3g}"
        edge = np.full(above.sum(), top)
        axes.plot(measure[above], edge, "^", color=GREY, ms=5, mew=0, label=text)
    axes.set_ylim(0, 1.04 * top)


def _draw_colorbar(
    figure: Figure, axes: Axes, colors: ScalarMappable, label: str
) -> None:
    """Draw it where a periodic table has no elements, above the transition metals."""
    left, bottom = axes.transLimits.transform((3.5, 2.3))
    right, top = axes.transLimits.transform((11.5, 2.0))
    where = axes.inset_axes((left, bottom, right - left, top - bottom))
    bar = figure.colorbar(colors, where, orientation="horizontal", extend="max")
    alike = f"the highest {1 - _QUANTILE:.0%} of the elements look alike"
    bar.set_label(f"size of the error of {label}; {alike}", fontsize=9)


def _draw_element(
    axes: Axes, row: pd.Series, place: tuple[float, int], colors: ScalarMappable
) -> None:
    symbol, mae, count = row["element"], row["mae"], row["crystals"]
    period, group = place
    rare = count < _RARE
    box = Rectangle(
        (group - 0.48, period - 0.48), 0.96, 0.96,
        facecolor="white" if rare else colors.to_rgba(mae), edgecolor=GREY, lw=0.6,
        hatch="//" if rare else "",
    )  # fmt: skip
    axes.add_patch(box)
    # Black on the light half of the map, white on the dark one.
    ink = "black" if rare or mae > 0.45 * colors.get_clim()[1] else "white"
    lines = ((-0.22, symbol, 10), (0.08, f"{mae:.2g}", 8), (0.33, f"{count:.0f}", 6))
    for below, text, size in lines:
        written = axes.text(
            group, period + below, text, fontsize=size, ha="center", va="center",
            color=ink, weight="bold" if text == symbol else "normal",
        )  # fmt: skip
        if rare:
            written.set_bbox({"facecolor": "white", "lw": 0, "pad": 0.5})


def _places(symbols: Iterable[str]) -> list[tuple[float, int]]:
    """Return row and column of each; the f elements stand in two rows below."""
    places = []
    for element in map(Element, symbols):
        row, group = float(element.row), element.group
        for below, first in ((_LANTHANIDES, 57), (_ACTINIDES, 89)):
            if first <= element.Z < first + 15:
                row, group = below, element.Z - first + 3
        places.append((row, group))
    if any(row == _PERIOD_7 for row, _ in places):
        return places
    return [(row - (row > _PERIOD_7), group) for row, group in places]
