"""The two figures of a run folder; they read without colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pyg_sitenet.prediction import column_name

# Blue and vermilion of Okabe and Ito: told apart with every kind of colour vision,
# and by lightness in print.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#555555"
_SIZE = 4.2  # inches per panel: text stays readable at half of a README's width


def plot_learning_curve(
    path: Path,
    history: Sequence[Mapping[str, float]],
    units: Mapping[str, str],
    targets: Sequence[str],
    *,
    best_epoch: int | None = None,
    baselines: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Draw the error of every epoch, one panel per target.

    Args:
        path: The PNG file to write.
        history: One mapping per epoch with ``epoch``, ``train/mae/<target>`` (``nll``
            in its place for classes) and, where there is a validation part, the same of
            ``val``.
        units: Unit of each target.
        targets: Names of the targets.
        best_epoch: The epoch whose weights are kept.
        baselines: For each target, errors of the baselines by name.
    """
    figure, panels = _panels(len(targets))
    for axes, target in zip(panels, targets, strict=True):
        _draw_history(axes, history, target)
        for style, (name, error) in zip(
            (":", "-."), (baselines or {}).get(target, {}).items(), strict=False
        ):
            axes.axhline(error, color=GREY, ls=style, lw=1.5, label=f"{name} baseline")
        if best_epoch is not None:
            axes.axvline(
                best_epoch, color=GREY, lw=0.8, label=f"kept: epoch {best_epoch}"
            )
        axes.set_xlabel("epoch")
        kind = "log loss" if _is_classes(history, target) else "MAE"
        axes.set_ylabel(_label(f"{kind} of {target}", units.get(target, "")))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)  # on a white box: baselines may pass behind
    figure.savefig(path, dpi=150)


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
    figure, panels = _panels(len(targets))
    for t, (axes, target) in enumerate(zip(panels, targets, strict=True)):
        name = column_name(target, units)
        axes.set_xlabel(name)
        axes.set_ylabel(f"predicted {name}")
        known = np.isfinite(truth[:, t])
        if not known.any():
            axes.set_title(f"no {kind}")
            continue
        pair = truth[known, t], predicted[known, t]
        _draw_parity(axes, *pair)
        error = float(np.abs(pair[0] - pair[1]).mean())
        unit = units.get(target, "")
        axes.set_title(f"{known.sum()} {kind}, MAE {error:.3g} {unit}".rstrip())
    figure.savefig(path, dpi=150)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    # A Figure of its own, not pyplot: no global state, no display, safe in threads.
    figure = Figure(figsize=(_SIZE * count, _SIZE), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _is_classes(history: Sequence[Mapping[str, float]], target: str) -> bool:
    return any(f"train/nll/{target}" in one for one in history)


def _draw_history(
    axes: Axes, history: Sequence[Mapping[str, float]], target: str
) -> None:
    error = "nll" if _is_classes(history, target) else "mae"
    styles = {"train": (VERMILION, "--", "training"), "val": (BLUE, "-", "validation")}
    for stage, (color, line, label) in styles.items():
        key = f"{stage}/{error}/{target}"
        points = [(one["epoch"], one[key]) for one in history if key in one]
        if points:
            marker = "o" if len(points) == 1 else ""
            axes.plot(
                *zip(*points, strict=True), color=color, ls=line, label=label,
                marker=marker,
            )  # fmt: skip


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


def _label(text: str, unit: str) -> str:
    return f"{text} [{unit}]" if unit else text
