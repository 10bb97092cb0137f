"""The calibration figure; it reads without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import binom

from pyg_sitenet.figures.panels import BLUE, GREY, LARGE, make_panels, save_figure, say
from pyg_sitenet.uncertainty.coverage import Coverage


def plot_calibration(
    path: Path,
    coverage: Mapping[str, Sequence[Coverage]],
    num_crystals: Mapping[str, int],
    units: Mapping[str, str],
) -> None:
    """Draw measured against nominal coverage and the widths, a row for each target.

    The grey band is where coverage falls with 95 % probability, by chance alone, if the
    intervals are right and ``num_crystals`` were counted.

    Args:
        path: The PNG file to write.
        coverage: Of :func:`~pyg_sitenet.uncertainty.measure_coverage`, by target.
        num_crystals: On how many crystals of known value each was measured.
        units: Unit of each target that has one; of classes the word ``classes``.
    """
    count = max(1, len(coverage))
    figure, panels = make_panels(count, 2, width=LARGE, height=LARGE)
    for (coverage_axes, width_axes), (target, rows) in zip(
        panels, coverage.items(), strict=False
    ):
        number = num_crystals[target]
        coverage_axes.set_title(f"{target}, {number} crystals")
        if not rows:
            say(coverage_axes, "no crystals of known value")
            width_axes.set_axis_off()
            continue
        _draw_coverage(coverage_axes, rows, number)
        _draw_width(width_axes, rows, units.get(target, ""))
    save_figure(figure, path)


def _draw_coverage(axes: Axes, rows: Sequence[Coverage], number: int) -> None:
    levels = np.linspace(0.01, 0.99, 99)
    low, high = (binom.ppf(p, number, levels) / number for p in (0.025, 0.975))
    axes.fill_between(levels, low, high, color=GREY, alpha=0.25, lw=0)
    axes.plot((0, 1), (0, 1), color=GREY, ls="--", lw=1)
    nominal = [row["level"] for row in rows]
    axes.plot(nominal, [row["coverage"] for row in rows], "o-", color=BLUE)
    axes.set(xlabel="nominal coverage", ylabel="measured coverage")
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _draw_width(axes: Axes, rows: Sequence[Coverage], unit: str) -> None:
    nominal = [row["level"] for row in rows]
    axes.plot(nominal, [row["mean_width"] for row in rows], "o-", color=BLUE)
    label = f"mean width [{unit}]" if unit else "mean width"
    axes.set(xlabel="nominal coverage", ylabel=label, xlim=(0, 1))
    axes.set_ylim(bottom=0)
