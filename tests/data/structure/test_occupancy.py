from __future__ import annotations

import warnings

import pytest
from pymatgen.core import Lattice, Species, Structure

from pyg_sitenet.data.structure.occupancy import complete_occupancies
from pyg_sitenet.errors import SiteNetWarning

CUBE = Lattice.cubic(4.2)


@pytest.mark.parametrize(
    "species",
    [
        {"La": 0.333, "Sr": 0.666},
        {"Na": 0.33, "K": 0.33, "Rb": 0.33},
        {"Fe": 0.999},
        {"Fe": 0.995},
    ],
)
def test_rounded_occupancies_fill_the_site(species) -> None:
    (site,) = complete_occupancies(Structure(CUBE, [species], [[0, 0, 0]]), "x")
    assert sum(site.species.values()) == pytest.approx(1, abs=1e-12)
    assert site.is_ordered == (len(species) == 1)


@pytest.mark.parametrize("species", [{"Fe": 0.99}, {"La": 0.3, "Sr": 0.6}])
def test_real_vacancies_stay(species) -> None:
    structure = Structure(CUBE, [species], [[0, 0, 0]])
    assert complete_occupancies(structure, "x") is structure


def test_deuterium_and_hydrogen_are_one_element() -> None:
    mixed = Structure(CUBE, [{"H": 0.4, "D": 0.6}, "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.warns(SiteNetWarning, match="x: deuterium counts as hydrogen"):
        mended = complete_occupancies(mixed, "x")
    assert mended.is_ordered
    assert mended.composition.formula == "Li1 H1"


def test_labels_properties_and_charges_of_isotopes_are_kept() -> None:
    heavy = Structure(
        CUBE,
        [Species("T", 1), "Li"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        labels=["D7", None],
        site_properties={"magmom": [1.0, 2.0]},
    )
    with pytest.warns(SiteNetWarning, match="tritium"):
        mended = complete_occupancies(heavy, "x")
    assert mended.labels == ["D7", "Li"]
    assert mended[0].specie == Species("H", 1)
    assert [site.properties["magmom"] for site in mended] == [1.0, 2.0]


def test_what_needs_no_mending_is_returned_as_it_is(nacl) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert complete_occupancies(nacl, "x") is nacl
