r"""How unlike the training data a crystal is, as one calibrated number.

A crystal is compared in its chemistry (its rarest element, the number of its elements,
pairs of elements never seen together), its geometry (volume, relative to the radii of
its atoms, and the strength of its bonds, beside what the training crystals let expect
of such bonds), its vector in the network (distance to the nearest training crystals,
and how far their values lie apart) and, by an ensemble, in how far the members
disagree.
Each is 0 for the median of ordinary crystals and 1 for their 99th percentile; the
largest is how unlike the crystal is. Its *novelty* is the share of ordinary crystals
that are at least as unlike: of crystals like those of training about one in a hundred
has a novelty below 0.01.

Intervals are wider by how unlike a crystal is, if that is above 1. Where it has what no
training crystal has, an element for one, they are the geometric mean of an ordinary
interval and of one that knows nothing but the training values.
"""

from pyg_sitenet.novelty.features import Crystal, Features, crystal_features
from pyg_sitenet.novelty.fit import fit_novelty, reach_of, sample_size
from pyg_sitenet.novelty.measure import RARE, Comparison, NoveltyMeasure
from pyg_sitenet.novelty.record import Novelty

__all__ = [
    "RARE",
    "Comparison",
    "Crystal",
    "Features",
    "Novelty",
    "NoveltyMeasure",
    "crystal_features",
    "fit_novelty",
    "reach_of",
    "sample_size",
]
