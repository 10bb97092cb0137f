r"""How unlike the training data a crystal is, as one calibrated number.

A crystal is compared in its chemistry (its rarest element, the number of its elements,
pairs of elements never seen together), its geometry (volume, shortest distance and
coordination, relative to the radii of its atoms) and its vector in the network
(distance to the nearest training crystals). Each is 0 for the median of held-out
crystals and 1 for their 99th hundredth; the largest is how unlike the crystal is. Its
*novelty* is the share of held-out crystals that are at least as unlike: of crystals
like those of training about a hundredth have a novelty below 0.01.
"""

from pyg_sitenet.novelty.features import Features, crystal_features
from pyg_sitenet.novelty.fit import fit_novelty, sample_size
from pyg_sitenet.novelty.measure import RARE, NoveltyMeasure, widening
from pyg_sitenet.novelty.record import Novelty

__all__ = [
    "RARE",
    "Features",
    "Novelty",
    "NoveltyMeasure",
    "crystal_features",
    "fit_novelty",
    "sample_size",
    "widening",
]
