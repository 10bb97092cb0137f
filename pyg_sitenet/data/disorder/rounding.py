"""Rounding of occupancies to whole atoms, as close as a supercell allows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, islice, product

import numpy as np

from pyg_sitenet.data.disorder.sublattices import Sublattice
from pyg_sitenet.data.geometry.lattice import Floats, Ints

# Ways of rounding that are compared at most; more mixtures are rounded one by one.
_MAX_WAYS = 2_000
_NOISE = 1e-6

Counts = tuple[Ints, ...]


def round_counts(sublattices: Sequence[Sublattice], num_cells: int) -> Counts:
    """Choose how many sites of a supercell hold each species.

    Each number is rounded up or down. Of all ways the one is taken that keeps the
    amounts of the elements in the whole crystal best; then the total charge, where
    oxidation states are known; then, if possible, no element is lost; then the
    shares of each sublattice. Elements that several sublattices share are thus rounded
    together.

    Args:
        sublattices: The mixtures of the primitive cell.
        num_cells: Primitive cells in the supercell.

    Returns:
        For each sublattice the sites of each species, [num_species].
    """
    exact = [
        len(sublattice.sites) * num_cells * sublattice.shares
        for sublattice in sublattices
    ]
    ways = [list(_ways(amounts)) for amounts in exact]
    if math.prod(map(len, ways)) <= _MAX_WAYS:
        return min(product(*ways), key=lambda way: _cost(sublattices, exact, way))
    chosen: Counts = ()
    for options in ways:
        done = len(chosen) + 1
        trials = [(*chosen, option) for option in options[:_MAX_WAYS]]
        key = [_cost(sublattices[:done], exact[:done], trial) for trial in trials]
        chosen = trials[key.index(min(key))]
    return chosen


def amounts_of(
    sublattices: Sequence[Sublattice], amounts: Sequence[Floats | Ints]
) -> dict[str, float]:
    """Add up the atoms of each element, vacancies left out."""
    total: dict[str, float] = defaultdict(float)
    for sublattice, numbers in zip(sublattices, amounts, strict=True):
        for specie, number in zip(sublattice.species, numbers, strict=True):
            if specie is not None:
                total[specie.symbol] += float(number)
    return dict(total)


def misfit(
    sublattices: Sequence[Sublattice], counts: Counts, num_cells: int
) -> dict[str, float]:
    """Return the excess of each element per disordered site (0.01 is 1 %)."""
    exact = [
        len(sublattice.sites) * num_cells * sublattice.shares
        for sublattice in sublattices
    ]
    wanted, made = amounts_of(sublattices, exact), amounts_of(sublattices, counts)
    num_sites = num_cells * sum(len(sublattice.sites) for sublattice in sublattices)
    return {name: (made[name] - wanted[name]) / num_sites for name in wanted}


def _ways(amounts: Floats) -> Iterator[Ints]:
    """Yield the ways to round up or down so that the sum, a whole number, stays."""
    low = np.floor(amounts + _NOISE).astype(np.int64)
    missing = round(float(amounts.sum())) - int(low.sum())
    between = np.flatnonzero(amounts - low > _NOISE)
    for raised in islice(combinations(between, missing), _MAX_WAYS):
        way = low.copy()
        way[list(raised)] += 1
        yield way


def _cost(
    sublattices: Sequence[Sublattice], exact: Sequence[Floats], way: Sequence[Ints]
) -> tuple[float, ...]:
    """Return the numbers by which roundings are ranked, the most important first."""
    excess = [made - wanted for made, wanted in zip(way, exact, strict=True)]
    by_element = amounts_of(sublattices, excess)
    vacant = -sum(by_element.values())
    elements = sum(value**2 for value in by_element.values()) + vacant**2
    charge = _charge(sublattices, excess) ** 2
    held = amounts_of(sublattices, way)
    lost = sum(not number for number in held.values())
    shares = sum(float((part**2).sum()) for part in excess)
    return round(elements, 6), round(charge, 6), lost, round(shares, 6)


def _charge(sublattices: Sequence[Sublattice], excess: Sequence[Floats]) -> float:
    return sum(
        float(getattr(specie, "oxi_state", 0) or 0) * float(number)
        for sublattice, numbers in zip(sublattices, excess, strict=True)
        for specie, number in zip(sublattice.species, numbers, strict=True)
    )
