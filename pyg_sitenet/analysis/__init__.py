"""What a trained model attends to."""

from pyg_sitenet.analysis.long_range import head_long_range, long_range_coefficient

__all__ = ["head_long_range", "long_range_coefficient"]
