from __future__ import annotations

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.disorder import order_structure
from pyg_sitenet.data.disorder.cells import MAX_MISFIT
from pyg_sitenet.data.structure.check import check_structure
from pyg_sitenet.errors import ConfigError, StructureError

CRYSTALS = ("mixed_salt", "cu3au", "manganite", "half_charged", "ybco")


def _shares(structure, per):
    amounts = structure.composition.element_composition
    return {str(element): amounts[element] / amounts[per] for element in amounts}


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("method", ["sample", "enumerate"])
def test_orderings_are_ordered_crystals_of_about_the_composition(
    name, method, request
) -> None:
    disordered = request.getfixturevalue(name)
    result = order_structure(disordered, method)
    wanted = disordered.composition.element_composition
    num_mixed = sum(not site.is_ordered for site in disordered)
    for structure in result.structures:
        assert check_structure(structure, name) is structure  # ordered, none too close
        assert len(structure) <= 100
        scale = structure.volume / disordered.volume
        made = structure.composition.element_composition
        assert set(made) == set(wanted)
        for element, amount in wanted.items():
            excess = (made[element] / scale - amount) / num_mixed
            assert excess == pytest.approx(result.misfit.get(str(element), 0), abs=1e-6)
    # 18 cells of the manganite hold 13 La: 0.0222 too many; 24 would be 120 sites.
    assert result.largest_misfit <= max(MAX_MISFIT, 0.0223)
    assert sum(result.weights) == pytest.approx(1)


def test_an_ordered_crystal_stands_for_itself(nacl) -> None:
    result = order_structure(nacl)
    assert result.structures == (nacl,)
    assert (result.weights, result.misfit, result.notes) == ((1.0,), {}, ())
    assert result.largest_misfit == 0


def test_a_sample_is_as_large_as_asked_for_and_differs(mixed_salt) -> None:
    result = order_structure(mixed_salt, orderings=5)
    assert len(result.structures) == 5
    assert len({structure.atomic_numbers for structure in result.structures}) == 5
    matcher = StructureMatcher(primitive_cell=False, scale=False)
    assert len(matcher.group_structures(list(result.structures))) == 5


def test_the_seed_decides_the_sample(cu3au) -> None:
    result, same, other = (order_structure(cu3au, seed=seed) for seed in (1, 1, 2))
    assert result.structures == same.structures
    assert result.weights == same.weights
    assert result.structures != other.structures


def test_the_given_cell_decides_neither_size_nor_composition(mixed_salt) -> None:
    large = mixed_salt * (2, 1, 1)
    result, other = order_structure(mixed_salt), order_structure(large)
    assert len(result.structures[0]) == len(other.structures[0])
    assert result.structures[0].composition == other.structures[0].composition


def test_fewer_orderings_than_asked_for_are_weighted_by_how_often_they_occur(
    half_charged,
) -> None:
    result = order_structure(half_charged, "enumerate", orderings=50)
    assert len(result.structures) < 50
    assert len(set(result.weights)) > 1
    assert result.weights == tuple(sorted(result.weights, reverse=True))
    assert result.notes == ()


def test_what_an_enumeration_leaves_out_is_reported(cu3au) -> None:
    (note,) = order_structure(cu3au, "enumerate", orderings=3).notes
    assert note == (
        "the 3 most frequent of 7 different orderings, which make 69 % of all"
    )


def test_a_misfit_is_reported(manganite) -> None:
    result = order_structure(manganite, max_atoms=15)
    assert result.misfit == pytest.approx({"La": -0.1, "Sr": 0.1, "Mn": 0}, abs=1e-6)
    assert result.notes[0].startswith(
        "ordered as La0.5MnO3Sr0.5 instead of La0.7MnO3Sr0.3: 0.1 atoms per disordered"
    )


def test_an_element_that_is_rounded_away_is_reported() -> None:
    doped = Structure(
        Lattice([[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]]),
        [{"Na": 0.995, "Ag": 0.005}, "Cl"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
    )
    *_, note = order_structure(doped).notes
    assert note == "too little Ag for one atom in a cell of 96 atoms: left out"


def test_a_rare_element_makes_the_supercell_larger(mixed_salt) -> None:
    mixed_salt.replace_species({"K": {"K": 0.94, "Rb": 0.06}})
    result = order_structure(mixed_salt, orderings=2)
    assert "Rb" in result.structures[0].symbol_set


def test_labels_of_the_sites_are_kept(half_charged) -> None:
    half_charged.relabel_sites()
    first = order_structure(half_charged).structures[0]
    assert set(first.labels) <= set(half_charged.labels)
    assert all(site.label.startswith(site.specie.symbol) for site in first)


def test_oxidation_states_are_kept_and_balance(manganite) -> None:
    for method in ("sample", "enumerate"):
        assert order_structure(manganite, method).structures[0].charge == 0


def test_alternatives_are_never_both_filled(garnet) -> None:
    result = order_structure(garnet, orderings=2)
    for structure in result.structures:
        lithium = [site for site in structure if site.specie.symbol == "Li"]
        distances = Structure.from_sites(lithium).distance_matrix
        assert distances[distances > 0].min() > 1.7
    assert not any("both occupied" in note for note in result.notes)


def test_split_positions_are_occupied_one_at_a_time() -> None:
    split = Structure(
        Lattice.cubic(4),
        ["Fe", {"O": 0.5}, {"F": 0.5}],
        [[0, 0, 0], [0.5, 0.5, 0.47], [0.5, 0.5, 0.53]],
    )
    for method in ("sample", "enumerate"):
        for structure in order_structure(split, method).structures:
            check_structure(structure, "split")
            assert _shares(structure, "Fe") == {"Fe": 1, "O": 0.5, "F": 0.5}


@pytest.mark.parametrize("method", ["sample", "enumerate"])
def test_occupancies_that_cannot_be_met_are_refused(method) -> None:
    three = Structure(
        Lattice.cubic(4),
        ["Fe", {"O": 0.5}, {"O": 0.5}, {"O": 0.5}],
        [[0, 0, 0], [0.5, 0.5, 0.47], [0.5, 0.5, 0.53], [0.55, 0.5, 0.5]],
    )
    with pytest.raises(StructureError, match=r"^Fe O1.5: the occupancies put atoms on"):
        order_structure(three, method)


def test_neighbours_that_cannot_be_parted_are_reported() -> None:
    chain = Structure(
        Lattice.orthorhombic(1.0, 8, 8),
        [{"Na": 0.5}, "Cl"],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
    )
    (note,) = order_structure(chain, max_atoms=6).notes
    assert "pairs of partly occupied sites are both occupied" in note


def test_too_many_orderings_are_refused_with_a_remedy(garnet) -> None:
    with pytest.raises(
        StructureError, match=r"too many to enumerate .*disorder sample"
    ):
        order_structure(garnet, "enumerate")


def test_a_cell_without_an_atom_is_refused() -> None:
    empty = Structure(Lattice.cubic(4), [{"Fe": 0.02}], [[0, 0, 0]])
    with pytest.raises(StructureError, match=r"Fe0.02: no atom fits .* \(max_atoms\)"):
        order_structure(empty, max_atoms=8)


@pytest.mark.parametrize(("method", "orderings"), [("smaple", 8), ("enumerate", 0)])
def test_other_methods_and_no_orderings_are_refused(mixed_salt, method, orderings):
    with pytest.raises(ConfigError, match=r"'sample' or 'enumerate' and at least one"):
        order_structure(mixed_salt, method, orderings=orderings)
