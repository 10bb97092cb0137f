"""One HTML file in which a trained model and its data are looked at."""

from pyg_sitenet.report.page import render, write_report
from pyg_sitenet.report.sections import ReportContent, collect
from pyg_sitenet.report.view import CrystalView, Surroundings, view_crystal

__all__ = [
    "CrystalView",
    "ReportContent",
    "Surroundings",
    "collect",
    "render",
    "view_crystal",
    "write_report",
]
