"""The figure of a search: scores by trial, and against each setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pyg_sitenet.figures.panels import BLUE, VERMILION, make_panels, save_figure

_COLUMNS = 4
_SIZE = 3.0  # inches per panel


def plot_search(path: Path, trials: pd.DataFrame, settings: Sequence[str]) -> None:
    """Draw the score of the trials in their order, then against each setting.

    Args:
        path: The PNG file to write.
        trials: One row per trial with ``score`` and the settings.
        settings: Names of the searched settings.
    """
    rows = math.ceil((len(settings) + 1) / _COLUMNS)
    figure, panels = make_panels(rows, _COLUMNS, width=_SIZE, height=_SIZE)
    first, *others = panels.flat
    score = trials["score"].to_numpy(dtype=float)
    order = np.arange(1, len(score) + 1)
    first.plot(order, score, "o", color=BLUE, alpha=0.6, label="trial")
    first.plot(order, np.fmin.accumulate(score), color=VERMILION, label="best")
    first.set(xlabel="trial", ylabel="validation score")
    first.legend(fontsize=8)
    for axes, name in zip(others, settings, strict=False):
        _draw_setting(axes, trials[name], score, name)
    for axes in others[len(settings) :]:
        axes.set_axis_off()
    save_figure(figure, path)


def _draw_setting(axes: Axes, values: pd.Series, score: np.ndarray, name: str) -> None:
    if values.dtype == object:
        values = values.astype(str)
    axes.plot(values.to_numpy(), score, "o", color=BLUE, alpha=0.6)
    axes.set(xlabel=name)
    if name.endswith("learning_rate"):
        axes.set_xscale("log")
