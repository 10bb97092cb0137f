from __future__ import annotations

import pytest
from pymatgen.core import Structure

from pyg_sitenet import MergeEquivalent, encode_structure
from pyg_sitenet.domain import crystal_traits, measure_domain


@pytest.mark.parametrize("environment", ["supercell", "sphere"])
def test_traits_are_those_of_the_primitive_cell(
    nacl: Structure, environment: str
) -> None:
    data = encode_structure(nacl, max_atoms=30, environment=environment)
    for item in (data, MergeEquivalent()(data)):
        traits = crystal_traits(item)
        assert traits.num_sites == 2
        assert traits.volume_per_atom == pytest.approx(5.6402**3 / 8, rel=1e-5)
        assert traits.shortest_distance == pytest.approx(5.6402 / 2, rel=1e-5)
        assert not traits.has_oxidation_states


def test_oxidation_states_are_those_the_structure_carries(nacl: Structure) -> None:
    nacl.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    assert crystal_traits(encode_structure(nacl)).oxidation_states == (-1, 1)


def test_environment_of_one_atom_has_no_distance(iron: Structure) -> None:
    data = encode_structure(iron, max_atoms=1)
    assert crystal_traits(data).shortest_distance is None
    assert measure_domain([data]).shortest_distance is None


def test_domain_spans_all_crystals(
    nacl: Structure, silicon: Structure, rutile: Structure
) -> None:
    rutile.add_oxidation_state_by_element({"Ti": 4, "O": -2})
    domain = measure_domain(encode_structure(s) for s in (nacl, silicon, rutile))
    assert domain.num_sites == (2, 6)
    assert domain.volume_per_atom == pytest.approx(
        (4.5937**2 * 2.9587 / 6, 5.6402**3 / 8), rel=1e-5
    )
    assert domain.shortest_distance == pytest.approx((1.9464, 2.8201), abs=1e-4)
    assert domain.oxidation_states == (-2, 4)
    assert not domain.always_oxidation_states


def test_no_crystal_has_no_domain() -> None:
    with pytest.raises(ValueError, match="at least one crystal, got none"):
        measure_domain([])
