"""How well classes are told apart: confusion, ROC curves, and reliability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pyg_sitenet.figures.panels import (
    BLUE,
    GREY,
    LARGE,
    make_panels,
    plain_text,
    save_figure,
)
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs

Array = NDArray[np.float64]

_STYLES = ("-", "--", "-.", ":")
_BINS = 10
_MOST_CURVES = 8  # more are not told apart


def plot_classes(
    path: Path, truth: Array, answers: Array, layout: OutputLayout
) -> bool:
    """Draw a row of three panels for each target of classes.

    Confusion: crystals by true and predicted class, shaded by the share of the true
    one. ROC: each class against the rest, of two the second. Reliability: share of
    crystals whose class was right against the probability it was given, in ten bins.
    Crystals of unknown class are left out; without any the panel says so.

    Args:
        path: The PNG file to write; without classes there is none.
        truth: Known values, classes by number, [N, T].
        answers: Answers, [N, T_out].
        layout: Which columns are what.

    Returns:
        Whether there was a target of classes, and so a figure.
    """
    numbers = [t for t, target in enumerate(layout.targets) if target.classes]
    if not numbers:
        return False
    figure, panels = make_panels(len(numbers), 3, width=LARGE, height=LARGE)
    for row, t in zip(panels, numbers, strict=True):
        target, labelled = layout.targets[t], ~np.isnan(truth[:, t])
        if not labelled.any():
            row[0].set_title(f"no crystals of known {target.name}")
            continue
        classes = truth[labelled, t].astype(np.int64)
        probabilities = answers[labelled][:, target.columns]
        _draw_confusion(row[0], classes, probabilities, target)
        _draw_roc(row[1], classes, probabilities, target)
        _draw_reliability(row[2], classes, probabilities)
    save_figure(figure, path)
    return True


def confusion(classes: NDArray[np.int64], probabilities: Array) -> NDArray[np.int64]:
    """Count crystals by true (rows) and most probable class (columns), [K, K]."""
    count = probabilities.shape[1]
    table = np.zeros((count, count), dtype=np.int64)
    np.add.at(table, (classes, probabilities.argmax(axis=1)), 1)
    return table


def _draw_confusion(
    axes: Axes, classes: NDArray[np.int64], probabilities: Array, target: TargetOutputs
) -> None:
    table = confusion(classes, probabilities)
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(table) <= 12:  # numbers fit into the cells
        for (true, predicted), number in np.ndenumerate(table):
            color = "white" if shares[true, predicted] > 0.6 else "black"
            axes.text(predicted, true, str(number), ha="center", va="center", c=color)
    places = range(len(table))
    labels = list(map(plain_text, target.classes))
    axes.set_xticks(places, labels, rotation=45, ha="right")
    axes.set_yticks(places, labels)
    axes.set(xlabel=f"predicted {target.name}", ylabel=f"true {target.name}")
    right = np.trace(table) / len(classes)
    axes.set_title(f"{len(classes)} crystals, {right:.1%} right")


def _draw_roc(
    axes: Axes, classes: NDArray[np.int64], probabilities: Array, target: TargetOutputs
) -> None:
    from sklearn.metrics import auc, roc_curve

    axes.plot((0, 1), (0, 1), color=GREY, ls="--", lw=1)
    which = [1] if len(target.classes) == 2 else range(len(target.classes))
    for place, k in enumerate(list(which)[:_MOST_CURVES]):
        if not 0 < (classes == k).sum() < len(classes):
            continue
        false, true, _ = roc_curve(classes == k, probabilities[:, k])
        label = f"{target.classes[k]}: {auc(false, true):.3f}"
        axes.plot(false, true, ls=_STYLES[place % 4], label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, title="area under the curve", title_fontsize=8)
    axes.set(xlabel="share of others taken for it", ylabel="share recognised")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title="ROC")
    axes.set_aspect("equal")


def _draw_reliability(
    axes: Axes, classes: NDArray[np.int64], probabilities: Array
) -> None:
    confidence, right = (
        probabilities.max(axis=1),
        probabilities.argmax(axis=1) == classes,
    )
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    axes.plot((0, 1), (0, 1), color=GREY, ls="--", lw=1)
    used = np.unique(bins)
    points = [(confidence[bins == k].mean(), right[bins == k].mean()) for k in used]
    sizes = [20 + 200 * (bins == k).mean() for k in used]
    x, y = zip(*points, strict=True)
    axes.scatter(x, y, s=sizes, color=BLUE, zorder=3)
    axes.plot(x, y, color=BLUE)
    axes.set(xlabel="probability given", ylabel="share right", title="reliability")
    axes.set(xlim=(0, 1.01), ylim=(-0.01, 1.01))
    axes.set_aspect("equal")
