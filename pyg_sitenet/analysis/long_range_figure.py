"""The paper's figure 7: the long-range coefficient over measures of complexity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pyg_sitenet.analysis.long_range import LONG_RANGE, MEASURES, head_column
from pyg_sitenet.figures.panels import BLUE, VERMILION, make_panels, save_figure


def plot_long_range(path: Path, crystals: pd.DataFrame, fits: pd.DataFrame) -> Path:
    """Draw the coefficient of every crystal over each measure, with the fitted line.

    Args:
        path: The PNG file to write.
        crystals: Table of crystals.
        fits: What :func:`~pyg_sitenet.analysis.long_range.long_range_fits` found.
    """
    figure, panels = make_panels(1, len(MEASURES), width=4.2, height=4.2)
    for axes, measure in zip(panels[0], MEASURES, strict=True):
        fit = fits[(fits["measure"] == measure) & (fits["head"] == "all")].iloc[0]
        _draw(axes, crystals[measure], crystals[LONG_RANGE], fit)
        axes.set(xlabel=_pretty(measure), ylabel="long-range coefficient [Å]")
        axes.set_ylim(bottom=0)
    return save_figure(figure, path)


def plot_long_range_heads(
    path: Path, crystals: pd.DataFrame, fits: pd.DataFrame, measure: str
) -> Path:
    """Draw the same over one measure for each block (rows) and head (columns)."""
    fits = fits[(fits["measure"] == measure) & (fits["head"] != "all")]
    blocks, heads = fits["block"].nunique(), fits["head"].nunique()
    figure, panels = make_panels(blocks, heads, share_y=True)
    for (_, fit), axes in zip(fits.iterrows(), panels.flat, strict=True):
        column = head_column(int(fit["block"]), int(fit["head"]))
        where = f"block {fit['block']}, head {fit['head']}: "
        _draw(axes, crystals[measure], crystals[column], fit, where)
    # Not before all are drawn: it ends the scaling of the axis that they share.
    panels[0, 0].set_ylim(bottom=0)
    for axes in panels[-1]:
        axes.set_xlabel(_pretty(measure))
    for axes in panels[:, 0]:
        axes.set_ylabel("max of distance x attention [Å]", fontsize=9)
    return save_figure(figure, path)


def _draw(
    axes: Axes, measure: pd.Series, reach: pd.Series, fit: pd.Series, where: str = ""
) -> None:
    share = float(np.clip(200 / max(len(measure), 1), 0.15, 0.7))
    axes.plot(
        measure, reach, "o", color=BLUE, alpha=share, markersize=4, markeredgewidth=0
    )
    if np.isfinite(fit["slope"]):
        ends = np.array([measure.min(), measure.max()])
        axes.plot(ends, fit["intercept"] + fit["slope"] * ends, color="white", lw=4)
        axes.plot(ends, fit["intercept"] + fit["slope"] * ends, color=VERMILION, lw=2)
        where += f"r = {fit['pearson r']:.2f}"
    axes.set_title(where or "too few crystals for a line", fontsize=10)


def _pretty(measure: str) -> str:
    return measure.replace("[A]", "[Å]")
