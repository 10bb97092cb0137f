"""Figures that more than one command draws; they read without colour vision."""

from __future__ import annotations

from pyg_sitenet.figures.confusion import plot_classes
from pyg_sitenet.figures.coverage_figure import plot_calibration
from pyg_sitenet.figures.learning_curve import plot_learning_curve
from pyg_sitenet.figures.parity import plot_parity

__all__ = ["plot_calibration", "plot_classes", "plot_learning_curve", "plot_parity"]
