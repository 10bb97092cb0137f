"""The calibration figure; it reads without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binom

from pyg_sitenet.uncertainty.coverage import Coverage

_BLUE, _GREY = "#0072B2", "#555555"
_SIZE = 4.2  # inches per panel


def plot_calibration(
    path: Path,
    found: Mapping[str, Sequence[Coverage]],
    num_crystals: Mapping[str, int],
    units: Mapping[str, str],
) -> None:
    """Draw measured against nominal coverage and the widths, a row for each target.

    The grey band is where coverage falls with 95 % probability, by chance alone, if the
    intervals are right and ``num_crystals`` were counted.

    Args:
        path: The PNG file to write.
        found: Of :func:`~pyg_sitenet.uncertainty.measure_coverage`, by target.
        num_crystals: How many crystals each was measured on.
        units: Unit of each target that has one; of classes the word ``classes``.
    """
    size = (2 * _SIZE, _SIZE * max(1, len(found)))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(max(1, len(found)), 2, squeeze=False)
    for (left, right), (target, rows) in zip(panels, found.items(), strict=False):
        number = num_crystals[target]
        levels = np.linspace(0.01, 0.99, 99)
        low, high = (binom.ppf(p, number, levels) / number for p in (0.025, 0.975))
        left.fill_between(levels, low, high, color=_GREY, alpha=0.25, lw=0)
        left.plot((0, 1), (0, 1), color=_GREY, ls="--", lw=1)
        nominal = [row["level"] for row in rows]
        left.plot(nominal, [row["coverage"] for row in rows], "o-", color=_BLUE)
        left.set(xlabel="nominal coverage", ylabel="measured coverage")
        left.set(xlim=(0, 1), ylim=(0, 1), title=f"{target}, {number} crystals")
        right.plot(nominal, [row["mean_width"] for row in rows], "o-", color=_BLUE)
        unit = units.get(target, "")
        label = f"mean width [{unit}]" if unit else "mean width"
        right.set(xlabel="nominal coverage", ylabel=label, xlim=(0, 1))
        right.set_ylim(bottom=0)
    figure.savefig(path, dpi=150)
