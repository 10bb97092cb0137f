r"""How strong the bonds of a crystal are, by the lengths of all of them.

As in the bond-valence model the strength of a site is
:math:`\sum_j \exp((r_i + r_j - d_{ij}) / b)` over all atoms around it, with covalent
radii: few near neighbours and many further ones give the same, so that it says whether
distances fit their elements, whatever the coordination.

Reference:
    I. D. Brown, The Chemical Bond in Inorganic Chemistry, Oxford University Press
    (2002), chapter 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_SOFTNESS = 0.5  # b, in angstrom
_SHORTEST = -3.0  # distance less the radii, in angstrom
_LEAST = 1e-9


class Bonds(NamedTuple):
    """The bonds of a crystal.

    Attributes:
        strength: Mean over the atoms of the logarithm of their strength.
        shares: Of bonds between an element and a neighbour in the strength, by 1000
            times the atomic number of the first and that of the second.
    """

    strength: float = 0.0
    shares: Mapping[int, float] = {}


def bonds_between(
    distances: Array, radii: Array, sites: Array, pairs: Array, copies: Array
) -> Bonds:
    """Return the bonds of a crystal.

    Args:
        distances: Of the pairs of a site and an atom, [E].
        radii: Sums of their radii, [E].
        sites: How often each site occurs, [N].
        pairs: Site of each pair, then its atomic number and that of the atom, [3, E].
        copies: How often each pair occurs, [E].
    """
    site, own, other = pairs
    excess = (distances - radii).clip(_SHORTEST)
    strengths = copies * np.exp(-excess / _SOFTNESS)
    sums = np.bincount(site, strengths, len(sites)).clip(_LEAST)
    share = sites / sites.sum()
    keys, places = np.unique(1000 * own + other, return_inverse=True)
    shares = np.bincount(places, strengths / sums[site] * share[site], len(keys))
    return Bonds(
        float((share * np.log(sums)).sum()),
        dict(zip(keys.tolist(), shares.tolist(), strict=True)),
    )
