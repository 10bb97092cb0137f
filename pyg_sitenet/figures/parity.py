"""Predicted against known values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pyg_sitenet.figures.panels import BLUE, GREY, LARGE, make_panels, save_figure
from pyg_sitenet.prediction import column_name


def plot_parity(
    path: Path,
    truth: NDArray[np.float64],
    predicted: NDArray[np.float64],
    units: Mapping[str, str],
    targets: Sequence[str],
    *,
    kind: str = "test crystals",
) -> None:
    """Draw predictions against known values, one panel per target.

    Crystals of unknown value (NaN) are left out; without any the figure says so.

    Args:
        path: The PNG file to write.
        truth: Known values.
        predicted: Predicted values.
        units: Unit of each target.
        targets: Names of the targets.
        kind: What the crystals are, for the title.

    Shapes:
        - **truth, predicted:** :math:`(N, T)`
    """
    figure, panels = make_panels(1, len(targets), width=LARGE, height=LARGE)
    for t, (axes, target) in enumerate(zip(panels[0], targets, strict=True)):
        name = column_name(target, units)
        axes.set_xlabel(name)
        axes.set_ylabel(f"predicted {name}")
        labelled = np.isfinite(truth[:, t])
        if not labelled.any():
            axes.set_title(f"no {kind}")
            continue
        pair = truth[labelled, t], predicted[labelled, t]
        _draw_parity(axes, *pair)
        error = float(np.abs(pair[0] - pair[1]).mean())
        unit = units.get(target, "")
        axes.set_title(f"{labelled.sum()} {kind}, MAE {error:.3g} {unit}".rstrip())
    save_figure(figure, path)


def _draw_parity(
    axes: Axes, truth: NDArray[np.float64], predicted: NDArray[np.float64]
) -> None:
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=GREY, lw=1.0, ls="--")
    axes.plot(
        truth, predicted, "o", color=BLUE, alpha=0.6, markersize=4, markeredgewidth=0
    )
    axes.set(xlim=limits, ylim=limits)
    axes.set_aspect("equal")
