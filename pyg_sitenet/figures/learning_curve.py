"""Error of every epoch of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pyg_sitenet.figures.panels import (
    BLUE,
    GREY,
    LARGE,
    VERMILION,
    make_panels,
    save_figure,
)


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
    figure, panels = make_panels(1, len(targets), width=LARGE, height=LARGE)
    for axes, target in zip(panels[0], targets, strict=True):
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
    save_figure(figure, path)


def _is_classes(history: Sequence[Mapping[str, float]], target: str) -> bool:
    return any(f"train/nll/{target}" in row for row in history)


def _draw_history(
    axes: Axes, history: Sequence[Mapping[str, float]], target: str
) -> None:
    error = "nll" if _is_classes(history, target) else "mae"
    styles = {"train": (VERMILION, "--", "training"), "val": (BLUE, "-", "validation")}
    for stage, (color, line, label) in styles.items():
        key = f"{stage}/{error}/{target}"
        points = [(row["epoch"], row[key]) for row in history if key in row]
        if points:
            marker = "o" if len(points) == 1 else ""
            axes.plot(
                *zip(*points, strict=True), color=color, ls=line, label=label,
                marker=marker,
            )  # fmt: skip


def _label(text: str, unit: str) -> str:
    return f"{text} [{unit}]" if unit else text
