"""What the prediction for one crystal rests on."""

from pyg_sitenet.analysis.crystal.examination import examine_crystal

__all__ = ["examine_crystal"]
