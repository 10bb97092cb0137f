"""The sites of a cell: the images of each atom, and what shares a place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pymatgen.core import Composition, Lattice, Structure
from scipy.spatial import KDTree

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.cif.atoms import Row
from pyg_sitenet.data.structure.cif.symmetry.operations import Group
from pyg_sitenet.data.structure.occupancy import MAX_OCCUPANCY, Specie
from pyg_sitenet.errors import StructureError

# Images of a special position whose last digit is rounded differ by this many of it.
_LAST_DIGITS = 1.6
# No atom is placed with fewer digits, and none in a cell is so badly rounded (A).
_MIN_DIGITS = 2
_MAX_ROUNDING = 0.2
# Angstrom: symmetry that was found within a tolerance is kept within it, and two
# atoms this close are meant to share a place.
_SAME_PLACE = 0.02


@dataclass(frozen=True, eq=False)
class Images:
    """The sites that symmetry makes of each row.

    Args:
        rows: Index of the row of each site.
        positions: [num_sites, 3], fractional, from 0 to 1.
        counts: Number of sites of each row.
    """

    rows: list[int]
    positions: Floats
    counts: list[int]


def make_images(
    rows: Sequence[Row], group: Group, lattice: Lattice, *, loosely: bool = False
) -> Images:
    """Apply all operations to all atoms; images that differ by rounding are one.

    Args:
        rows: The atoms.
        group: The operations.
        lattice: The cell.
        loosely: Let images be one that are up to 0.2 A apart along each axis, as of
            operations that were found within a tolerance.
    """
    start = np.array([row.position for row in rows])
    if len(group) == 1:
        return Images(list(range(len(rows))), start % 1, [1] * len(rows))
    images = np.einsum("oij,aj->aoi", group.rotations, start) + group.translations
    steps = images - images[:, :1]
    steps -= np.rint(steps)
    mixes = (group.rotations != 0).any(axis=0)
    limits = np.array(
        [_limits((0, 0, 0) if loosely else row.digits, mixes, lattice) for row in rows]
    )
    is_special = (np.abs(steps) <= limits[:, None]).all(axis=2).sum(axis=1) > 1
    made = [
        _merge(steps[row], limits[row]) + images[row, 0] if special else images[row]
        for row, special in enumerate(is_special)
    ]
    counts = [len(positions) for positions in made]
    return Images(
        [row for row, count in enumerate(counts) for _ in range(count)],
        np.concatenate(made) % 1,
        counts,
    )


def join_sites(
    rows: Sequence[Row], images: Images, lattice: Lattice, origin: str
) -> Structure:
    """Return the structure; atoms in one place share its site.

    Raises:
        StructureError: If what shares a place adds up to more than 1.
    """
    members = _places(images.positions, np.array(lattice.abc))
    species = []
    for sites in members:
        shares: dict[Specie, float] = defaultdict(float)
        for site in sites:
            for specie, share in rows[images.rows[site]].species.items():
                shares[specie] += share
        species.append(_site(shares, rows[images.rows[sites[0]]], origin))
    first = [sites[0] for sites in members]
    return Structure(
        lattice,
        species,
        images.positions[first],
        labels=[rows[images.rows[site]].label for site in first],
    )


def _limits(
    digits: Sequence[int], mixes: npt.NDArray[np.bool_], lattice: Lattice
) -> Floats:
    """Return how far images that are one may be apart, [3], fractional.

    Args:
        digits: Of each coordinate; none lets images be as far apart as they ever may.
        mixes: Whether a coordinate of an image depends on another, [3, 3].
        lattice: The cell.
    """
    lengths = np.array(lattice.abc)
    fewest = [max(count, _MIN_DIGITS) if count else 0 for count in digits]
    rounding = [_LAST_DIGITS * 10.0**-count if count else 1.0 for count in fewest]
    coupled = np.where(mixes, rounding, 0.0).max(axis=1)
    limits: Floats = np.clip(coupled, _SAME_PLACE / lengths, _MAX_ROUNDING / lengths)
    return limits


def _merge(steps: Floats, limits: Floats) -> Floats:
    """Return the mean of each set of images that are one, [num_different, 3]."""
    apart = steps[:, None] - steps[None]
    apart -= np.rint(apart)
    is_same = (np.abs(apart) <= limits).all(axis=2)
    first = is_same.argmax(axis=1)
    distinct = np.unique(first[first])
    offsets = -np.einsum("ab,abi->ai", is_same, apart) / is_same.sum(1)[:, None]
    merged: Floats = (steps + offsets)[distinct]
    return merged


def _places(positions: Floats, lengths: Floats) -> list[list[int]]:
    """Return the sites of each place."""
    points = (positions % 1 % 1) * lengths
    tree = KDTree(points, boxsize=lengths)
    pairs = tree.query_pairs(_SAME_PLACE, p=np.inf, output_type="ndarray")
    places = list(range(len(points)))
    for first, second in sorted(map(tuple, pairs)):
        places[second] = places[first]
    members: dict[int, list[int]] = defaultdict(list)
    for site, place in enumerate(places):
        members[place].append(site)
    return list(members.values())


def _site(
    shares: Mapping[Specie, float], row: Row, origin: str
) -> Specie | Composition:
    total = sum(shares.values())
    if total > MAX_OCCUPANCY:
        raise StructureError(
            f"{origin}: occupancies of one place ({row.label}) add up to more than 1"
            f" ({total:.4g}): two atoms on top of each other, or disorder; remove one"
            " or give an ordered approximant"
        )
    if len(shares) == 1 and total == 1:
        return next(iter(shares))
    scale = max(total, 1.0)
    return Composition({specie: share / scale for specie, share in shares.items()})
