"""How far a prediction may be off: conformal intervals, and whether they hold."""

from pyg_sitenet.uncertainty.calibration import Calibration
from pyg_sitenet.uncertainty.conformal import calibrate
from pyg_sitenet.uncertainty.coverage import (
    LEVELS,
    Coverage,
    measure_coverage,
    measure_sets,
)

__all__ = [
    "LEVELS",
    "Calibration",
    "Coverage",
    "calibrate",
    "measure_coverage",
    "measure_sets",
]
