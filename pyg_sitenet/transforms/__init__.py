"""Transforms of crystal graphs."""

from pyg_sitenet.transforms.expand import expand_pairs, expand_sites
from pyg_sitenet.transforms.merge_equivalent import MergeEquivalent

__all__ = ["MergeEquivalent", "expand_pairs", "expand_sites"]
