"""Transforms of graphs of crystals and molecules, for PyTorch Geometric."""

from pyg_sitenet.data.transforms.coulomb_pairs import CoulombPairs
from pyg_sitenet.data.transforms.environments import (
    PeriodicRadiusGraph,
    Sphere,
    Supercell,
)
from pyg_sitenet.data.transforms.expand import expand_pairs, expand_sites
from pyg_sitenet.data.transforms.merge_equivalent import MergeEquivalent
from pyg_sitenet.data.transforms.pair_geometry import (
    pair_distances,
    pair_triplets,
    pair_vectors,
)

__all__ = [
    "CoulombPairs",
    "MergeEquivalent",
    "PeriodicRadiusGraph",
    "Sphere",
    "Supercell",
    "expand_pairs",
    "expand_sites",
    "pair_distances",
    "pair_triplets",
    "pair_vectors",
]
