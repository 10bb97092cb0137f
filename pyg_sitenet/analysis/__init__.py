"""What a trained model attends to, how far, and where its errors are."""

from pyg_sitenet.analysis.attention import AttentionHistogram
from pyg_sitenet.analysis.complexity import Complexity, structural_complexity
from pyg_sitenet.analysis.long_range import head_long_range, long_range_coefficient

__all__ = [
    "AttentionHistogram",
    "Complexity",
    "head_long_range",
    "long_range_coefficient",
    "structural_complexity",
]
