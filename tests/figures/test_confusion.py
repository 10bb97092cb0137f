"""The figure of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from pyg_sitenet.figures.confusion import confusion, plot_classes
from pyg_sitenet.nn.output_layout import OutputLayout

TWO = OutputLayout.make(["gap", "kind"], {"kind": ["a", "b", "c"]})
ANSWERS = np.array([[1.0, 0.8, 0.1, 0.1], [2.0, 0.2, 0.7, 0.1], [3.0, 0.5, 0.3, 0.2]])


def test_confusion_counts_true_by_predicted() -> None:
    table = confusion(np.array([0, 1, 2]), ANSWERS[:, 1:])
    assert table.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_figure_has_a_row_for_each_target_of_classes(tmp_path: Path) -> None:
    truth = np.array([[1.0, 0.0], [2.0, 1.0], [np.nan, 2.0]])
    assert plot_classes(tmp_path / "one.png", truth, ANSWERS, TWO)
    layout = OutputLayout.make(["m", "kind"], {"m": ["x", "y"], "kind": ["a", "b"]})
    labels = np.array([[0.0, np.nan], [1.0, np.nan], [0.0, np.nan]])
    assert plot_classes(tmp_path / "two.png", labels, ANSWERS, layout)
    single, two = (imread(tmp_path / f"{name}.png").shape for name in ("one", "two"))
    assert single[1] == two[1]
    assert two[0] == 2 * single[0]


def test_labels_are_no_formulas(tmp_path: Path) -> None:
    layout = OutputLayout.make(["kind"], {"kind": ["$\\bad{$", "\udcff\x1b"]})
    truth, answers = np.array([[0.0], [1.0]]), np.array([[0.9, 0.1], [0.2, 0.8]])
    assert plot_classes(tmp_path / "a.png", truth, answers, layout)


def test_numbers_alone_have_no_figure(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    ones, layout = np.ones((3, 1)), OutputLayout.make(["a"])
    assert not plot_classes(path, ones, ones, layout)
    assert not path.exists()
