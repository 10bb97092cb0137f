"""What figures share: colours, panels, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from pyg_sitenet.atomic_write import replacing
from pyg_sitenet.safe_text import terminal_text

# Blue and vermilion of Okabe and Ito: told apart with every kind of colour vision,
# and by lightness in print.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
# From dark blue to light yellow, even in lightness: for every kind of colour vision.
COLORS = "cividis"
_SIZE = 3.2  # inches per panel
LARGE = 4.2  # text stays readable at half of a README's width
_LONGEST, _MOST_LINES = 200, 10  # of a title; a name may have a thousand letters


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


def plain_text(text: str) -> str:
    r"""Write a name from a file so that a figure shows it as it is.

    Matplotlib takes what stands between dollar signs for a formula, and ends at one
    that is none; some control characters end it too.

    Example:
        >>> plain_text("US$ or $")
        'US\\$ or \\$'
    """
    return terminal_text(text[:_LONGEST]).replace(r"\$", "$").replace("$", r"\$")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, its texts as :func:`plain_text`, and return where."""
    for text in figure.findobj(Text):
        lines = text.get_text().split("\n")[:_MOST_LINES]
        text.set_text("\n".join(map(plain_text, lines)))
        text.set_usetex(False)
    # LaTeX is a program; a matplotlibrc beside the data could ask for it.
    with replacing(path) as file, rc_context({"text.usetex": False}):
        figure.savefig(file, dpi=150, format="png")
    return path


def say(axes: Axes, text: str) -> None:
    """Write into a panel why it is empty."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set(xticks=[], yticks=[])
