"""The paper's figure 6: attention weight against distance, by block and head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.ticker import MaxNLocator

from pyg_sitenet.analysis.attention import AttentionHistogram
from pyg_sitenet.figures.panels import COLORS, VERMILION, make_panels, save_figure, say

_FLOOR = 1e-3  # shares below look alike: mostly single pairs


def plot_attention(
    path: Path, histogram: AttentionHistogram, *, with_self: bool
) -> Path:
    """Draw a column-normalised histogram for each block (rows) and head (columns).

    Args:
        path: The PNG file to write.
        histogram: What was counted.
        with_self: Count the pairs of an atom with itself, in the first column.
    """
    shares = histogram.shares(with_self=with_self)
    blocks, heads = shares.shape[:2]
    figure, panels = make_panels(blocks, heads)
    if not np.isfinite(shares).any():
        for axes in panels.flat:
            say(axes, "no pairs")
        return save_figure(figure, path)
    mean = histogram.mean_attention()
    for block in range(blocks):
        for head in range(heads):
            axes = panels[block, head]
            mesh = _draw(axes, histogram, shares[block, head], mean[block, head])
            axes.set_title(f"block {block + 1}, head {head + 1}", fontsize=10)
            axes.label_outer()
    for axes in panels[-1]:
        axes.set_xlabel("distance [Å]")
    for axes in panels[:, 0]:
        axes.set_ylabel("attention weight")
    panels[0, 0].legend(fontsize=8, loc="lower left")
    label = "share of the pairs at this distance"
    label += "" if with_self else ", self pairs left out"
    figure.colorbar(mesh, ax=panels, label=label, extend="max")
    return save_figure(figure, path)


def _draw(
    axes: Axes,
    histogram: AttentionHistogram,
    shares: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    mean: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> QuadMesh:
    near, low = histogram.distance_edges, histogram.weight_edges.copy()
    low[0] = low[1] / (low[2] / low[1])  # a logarithmic axis has no 0
    filled = np.ma.masked_less(np.ma.masked_invalid(shares), _FLOOR)
    mesh = axes.pcolormesh(
        near, low, filled.T, cmap=COLORS, vmin=0, vmax=0.3, rasterized=True
    )
    middle = (near[1:] + near[:-1]) / 2
    # Dark edge, light line: seen on every colour of the map.
    axes.plot(middle, mean, color="white", lw=3.5)
    axes.plot(middle, mean, color=VERMILION, lw=1.5, ls="--", label="mean, two atoms")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set(xlim=(0, near[-1]), ylim=(low[0], 1))
    return mesh
