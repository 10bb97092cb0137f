from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Element, Species

from pyg_sitenet.data.disorder.rounding import misfit, round_counts
from pyg_sitenet.data.disorder.sublattices import Sublattice


def _mixture(num_sites, **shares):
    species = [None if name == "vacant" else Element(name) for name in shares]
    values = np.array(list(shares.values()))
    return Sublattice(np.arange(num_sites), tuple(species), values)


def _counts(sublattices, num_cells):
    return [count.tolist() for count in round_counts(sublattices, num_cells)]


def test_what_fits_is_exact() -> None:
    assert _counts([_mixture(2, La=0.75, Sr=0.25)], 4) == [[6, 2]]


def test_sites_stay_as_many() -> None:
    thirds = _mixture(1, Na=1 / 3, K=1 / 3, Rb=1 / 3)
    assert sum(_counts([thirds], 4)[0]) == 4


def test_vacancies_are_rounded_with_the_atoms() -> None:
    assert _counts([_mixture(1, Li=0.7, vacant=0.3)], 3) == [[2, 1]]


def test_elements_on_two_sublattices_are_rounded_together() -> None:
    # Alone each would round Mg 0.4 down, and the crystal would lose four fifths.
    spinel = [_mixture(1, Mg=0.4, Al=0.6), _mixture(2, Al=0.8, Mg=0.2)]
    assert _counts(spinel, 1) in ([[0, 1], [1, 1]], [[1, 0], [2, 0]])
    assert misfit(spinel, round_counts(spinel, 1), 1) == pytest.approx(
        {"Mg": 0.2 / 3, "Al": -0.2 / 3}
    )


def test_oxidation_states_decide_between_equal_roundings() -> None:
    # One of four cells: either calcium goes with Fe3+ or with Fe4+.
    half = np.array([0.5, 0.5])
    a_site = Sublattice(np.arange(1), (Species("La", 3), Species("Ca", 2)), half)
    b_site = Sublattice(np.arange(1), (Species("Fe", 3), Species("Fe", 4)), half)
    a, b = _counts([a_site, b_site], 1)
    assert (a, b) in (([1, 0], [1, 0]), ([0, 1], [0, 1]))


def test_of_equal_roundings_the_one_that_keeps_an_element_is_taken() -> None:
    assert _counts([_mixture(1, Na=0.875, Ag=0.125)], 4) == [[3, 1]]


def test_many_mixtures_are_rounded_one_after_the_other() -> None:
    many = [_mixture(1, Fe=0.5, Ni=0.5) for _ in range(14)]
    total = np.sum(_counts(many, 1), axis=0)
    assert total.tolist() == [7, 7]
