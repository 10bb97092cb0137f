"""The interactive figures of a report that show attention against distance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pyg_sitenet.analysis.attention import BINS_PER_DECADE, DISTANCE_STEP
from pyg_sitenet.report.plots import add_menu, make_figure

_SCALE = "Cividis"  # made for eyes that do not tell red from green
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555", "#E69F00")
_TOP = 0.3  # shares above look alike, as in the paper's figure 6


def attention_histograms(table: pd.DataFrame, *, with_self: bool) -> go.Figure:
    """Draw the column-normalised histogram of a block and head chosen from a menu.

    Args:
        table: What :func:`~pyg_sitenet.analysis.attention.histogram_table` gives.
        with_self: Count the pairs of an atom with itself, in the first column.
    """
    figure = make_figure("distance [Å]", "logarithm (base 10) of the attention weight")
    kind = "" if with_self else " without self"
    table = table.assign(
        column=(table["distance to [A]"] / DISTANCE_STEP).round().astype(int),
        row=(np.log10(table["attention to"]) * BINS_PER_DECADE).round().astype(int),
    )
    columns, rows = range(1, table["column"].max() + 1), range(table["row"].min(), 1)
    labels: list[str] = []
    for (block, head), group in table.groupby(["block", "head"]):
        pairs = group[group[f"pairs{kind}"] > 0]
        grid = pairs.pivot(index="row", columns="column", values=f"share{kind}")
        figure.add_heatmap(
            z=grid.reindex(index=rows, columns=columns).to_numpy(np.float32),
            x0=DISTANCE_STEP / 2,
            dx=DISTANCE_STEP,
            y0=(rows[0] - 0.5) / BINS_PER_DECADE,
            dy=1 / BINS_PER_DECADE,
            colorscale=_SCALE,
            zmin=0,
            zmax=_TOP,
            colorbar={"title": {"text": "share", "side": "right"}, "thickness": 12},
            hovertemplate="%{x:.2f} Å, 10^%{y:.1f}: %{z:.3f}<extra></extra>",
            visible=not labels,
        )
        labels.append(f"block {block}, head {head}")
    shown = np.eye(len(labels), dtype=bool).tolist()
    add_menu(figure, labels, [({"visible": row}, {}) for row in shown])
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
            x=group["distance to [A]"] - DISTANCE_STEP / 2,
            y=group["mean attention"],
            mode="lines",
            line=style,
            name=f"block {block} head {head}",
        )
    figure.update_yaxes(type="log", exponentformat="power")
    figure.update_layout(height=480)
    return figure
