"""What figures share: colours, panels, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pyg_sitenet.atomic_write import replacing

# Blue and vermilion of Okabe and Ito: told apart with every kind of colour vision,
# and by lightness in print.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
# From dark blue to light yellow, even in lightness: for every kind of colour vision.
COLORS = "cividis"
_SIZE = 3.2  # inches per panel
LARGE = 4.2  # text stays readable at half of a README's width


def make_panels(
    rows: int,
    columns: int,
    *,
    width: float = _SIZE,
    height: float = _SIZE * 0.85,
    share_y: bool = False,
) -> tuple[Figure, NDArray[Any]]:
    """Return a figure and its panels, ``[rows, columns]``.

    Args:
        rows: Panels below each other.
        columns: Panels beside each other.
        width: Of a panel, inches.
        height: Of a panel, inches.
        share_y: Give all panels one vertical scale.
    """
    # A Figure of its own, not pyplot: no global state, no display, safe in threads.
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=share_y)


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and return where."""
    with replacing(path) as file:
        figure.savefig(file, dpi=150, format="png")
    return path


def say(axes: Axes, text: str) -> None:
    """Write into a panel why it is empty."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])
