"""Figures of a single crystal: attention by element, and attributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pyg_sitenet.analysis.crystal.examination import CrystalExamination
from pyg_sitenet.figures.panels import (
    BLUE,
    COLORS,
    GREY,
    VERMILION,
    make_panels,
    save_figure,
)

_BARS = 24  # more would not be readable
_GRADIENT = "integrated gradient of "
# Shapes tell elements apart without colour.
_MARKERS = "os^Dvp*XP<>h"


def plot_element_attention(path: Path, table: pd.DataFrame) -> Path:
    """Draw the attention of each element to each, by block (rows) and head (columns).

    Args:
        path: The PNG file to write.
        table: Result of :func:`~.crystal_tables.element_table`.
    """
    blocks, heads = table["block"].max(), table["head"].max()
    size = 1.4 + 0.45 * table["receiver element"].nunique()
    figure, panels = make_panels(blocks, heads, width=size + 0.4, height=size + 0.3)
    for (block, head), rows in table.groupby(["block", "head"]):
        axes = panels[block - 1, head - 1]
        _draw_matrix(axes, rows)
        axes.set_title(f"block {block}, head {head}", fontsize=9)
    figure.supxlabel("attends to", fontsize=9)
    figure.supylabel("atom of", fontsize=9)
    return save_figure(figure, path)


def plot_attributions(path: Path, examination: CrystalExamination) -> Path:
    """Draw what the sites add, and how the prediction answers to distances.

    Args:
        path: The PNG file to write.
        examination: The crystal's examination.
    """
    columns = [c for c in examination.sites if c.startswith(_GRADIENT)]
    names = [column.removeprefix(_GRADIENT) for column in columns]
    figure, panels = make_panels(len(names), 2, width=4.6, height=3.8)
    for (site_axes, distance_axes), column, name in zip(
        panels, columns, names, strict=True
    ):
        _draw_sites(site_axes, examination.sites, column)
        site_axes.set_xlabel(f"share of a site in {name}")
        _draw_distances(
            distance_axes, examination.pairs, f"distance gradient of {name}"
        )
        distance_axes.set(xlabel="distance [Å]", ylabel=f"change of {name} per Å")
    figure.suptitle(examination.formula, fontsize=10)
    return save_figure(figure, path)


def _draw_matrix(axes: Axes, rows: pd.DataFrame) -> None:
    matrix = rows.pivot_table(
        index="receiver element", columns="sender element", values="attention"
    )
    axes.imshow(matrix, cmap=COLORS, vmin=0, vmax=1)
    axes.set_xticks(range(len(matrix.columns)), matrix.columns)
    axes.set_yticks(range(len(matrix)), matrix.index)
    for (row, column), value in np.ndenumerate(matrix.to_numpy()):
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=8,
            color="black" if value > 0.45 else "white",
        )  # fmt: skip


def _draw_sites(axes: Axes, sites: pd.DataFrame, column: str) -> None:
    """Draw one bar per class of equal sites, the largest shares first."""
    classes = sites.groupby("class").agg(
        element=("element", "first"),
        first=("site", "first"),
        count=("site", "size"),
        share=(column, "first"),
    )
    order = classes["share"].abs().sort_values(ascending=False).index[:_BARS]
    classes = classes.loc[order]
    labels = [
        f"{row.element} {row.first}" + (f" (x{row.count})" if row.count > 1 else "")
        for row in classes.itertuples(index=False, name="Row")
    ]
    colors = [BLUE if share >= 0 else VERMILION for share in classes["share"]]
    axes.barh(labels, classes["share"], color=colors)
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, lw=0.8)
    axes.tick_params(axis="y", labelsize=8 if len(order) <= 12 else 6)


def _draw_distances(axes: Axes, pairs: pd.DataFrame, column: str) -> None:
    apart = pairs[pairs["distance [A]"] > 0]
    kinds = apart.groupby(["receiver element", "sender element"])
    # Blue to yellow as the map, the last tenth of which is too pale on white.
    shades = np.linspace(0, 0.9, max(len(kinds), 2))
    axes.axhline(0, color=GREY, lw=0.8)
    for number, ((receiver, sender), rows) in enumerate(kinds):
        color = colormaps[COLORS](shades[number])
        axes.scatter(
            rows["distance [A]"], rows[column], s=16, label=f"{receiver} sees {sender}",
            marker=_MARKERS[number % len(_MARKERS)], color=color, alpha=0.8, lw=0,
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if 0 < len(kinds) <= len(_MARKERS):
        axes.legend(fontsize=7, ncols=2)
