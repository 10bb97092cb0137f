"""Transforms of crystal graphs."""

from pyg_sitenet.transforms.merge_equivalent import MergeEquivalent

__all__ = ["MergeEquivalent"]
