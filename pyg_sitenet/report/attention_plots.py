"""The interactive figures of a report that show attention against distance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from pyg_sitenet.report.plots import add_menu, make_figure

_SCALE = "Cividis"  # made for eyes that do not tell red from green
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555", "#E69F00")
_TOP = 0.3  # shares above look alike, as in the paper's figure 6


def attention_histograms(table: pd.DataFrame) -> go.Figure:
    """Draw the column-normalised histogram of a block and head chosen from a menu.

    Args:
        table: What :func:`~pyg_sitenet.analysis.attention.histogram_table` gives.
    """
    figure = make_figure("distance [Å]", "logarithm (base 10) of the attention weight")
    groups = table.groupby(["block", "head"])
    for number, (_, group) in enumerate(groups):
        pairs = group[group["pairs without self"] > 0]
        grid = pairs.pivot_table(
            index="attention to", columns="distance to [A]", values="share without self"
        )
        figure.add_heatmap(
            x=_middles(pairs, grid.columns),
            y=np.log10(grid.index.to_numpy()),
            z=grid.round(4).where(grid.notna(), None).to_numpy(),
            colorscale=_SCALE,
            zmin=0,
            zmax=_TOP,
            colorbar={"title": {"text": "share", "side": "right"}, "thickness": 12},
            hovertemplate="%{x:.2f} Å, 10^%{y:.1f}: %{z:.3f}<extra></extra>",
            visible=number == 0,
        )
    labels = [f"block {block}, head {head}" for block, head in groups.groups]
    add_menu(figure, labels, np.eye(len(labels), dtype=bool), [{}] * len(labels))
    return figure


def attention_by_distance(table: pd.DataFrame) -> go.Figure:
    """Draw the mean attention of two atoms against their distance, a line per head.

    Args:
        table: What :func:`~pyg_sitenet.analysis.attention.distance_table` gives.
    """
    figure = make_figure("distance [Å]", "mean attention weight")
    apart = table[table["distance to [A]"] > 0]
    for (block, head), group in apart.groupby(["block", "head"]):
        style = {
            "color": _COLORS[(int(head) - 1) % len(_COLORS)],
            "dash": _DASHES[(int(block) - 1) % len(_DASHES)],
        }
        figure.add_scatter(
            x=_middles(group, group["distance to [A]"]),
            y=group["mean attention"],
            mode="lines",
            line=style,
            name=f"block {block} head {head}",
        )
    figure.update_yaxes(type="log", exponentformat="power")
    figure.update_layout(height=480)
    return figure


def _middles(table: pd.DataFrame, ends: pd.Index | pd.Series) -> NDArray[np.float64]:
    """Return the middles of distance bins from their upper ends."""
    first = table.iloc[0]
    width = float(first["distance to [A]"] - first["distance from [A]"])
    middles: NDArray[np.float64] = np.asarray(ends, dtype=np.float64) - width / 2
    return middles
