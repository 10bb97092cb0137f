"""Oxidation states that a CIF states of its types of atoms."""

import pytest

from pyg_sitenet.data.graph.encode import oxidation_states
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import SiteNetWarning

# Magnesium oxide, or iron in the place of magnesium: rock salt.
OXIDE = """data_oxide
_cell_length_a 4.211
_cell_length_b 4.211
_cell_length_c 4.211
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_type_symbol
_atom_type_oxidation_number
{types}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
{metal}1 {metal} 0 0 0
O1 O 0.5 0.5 0.5
"""


def states(tmp_path, types, metal="Mg"):
    path = tmp_path / "a.cif"
    path.write_text(OXIDE.format(types=types, metal=metal))
    structure = load_structure(path)
    assert structure.composition.hill_formula == f"{structure[0].specie.symbol}4 O4"
    found = oxidation_states(structure)
    assert len(set(found[:4])) == len(set(found[4:])) == 1
    return found[0], found[4]


@pytest.mark.parametrize(
    ("metal", "oxygen", "found"),
    [
        ("2", "-2", (2, -2)),
        ("2+", "2-", (2, -2)),
        ("+2", "-2", (2, -2)),
        ("2.0", "-2.000", (2, -2)),
        ("2(1)", "-2(1)", (2, -2)),
        ("II", "-II", (2, -2)),
        ("2", "\u22122", (2, -2)),
        ("2", "\u20132", (2, -2)),
        ("Mg2+", "O2-", (2, -2)),
        ("MG+2", "o-2", (2, -2)),
        ("ii", "-ii", (2, -2)),
        ("2,5", "-2", (2.5, -2)),
        ("1.667", "2-", (1.667, -2)),
        ("0", "0", (0, 0)),
        ("2+", "?", (2, 0)),
        ("2+", ".", (2, 0)),
        ("?", "?", (0, 0)),
    ],
)
def test_signs_stand_on_either_side(tmp_path, metal, oxygen, found):
    assert states(tmp_path, f"Mg {metal}\nO {oxygen}") == found


def test_unknown_state_is_none_rather_than_0(tmp_path):
    path = tmp_path / "a.cif"
    path.write_text(OXIDE.format(types="Mg 2+\nO ?", metal="Mg"))
    assert [str(site.specie) for site in load_structure(path)][::4] == ["Mg2+", "O"]


@pytest.mark.parametrize(
    ("metal", "found"), [("Fe2+", 2), ("Fe3+", 3), ("FE", 0), ("Fe", 0)]
)
def test_element_of_two_states_has_that_of_its_type(tmp_path, metal, found):
    assert states(tmp_path, "Fe2+ 2\nFe3+ 3\nO2- -2", metal) == (found, -2)


@pytest.mark.parametrize("types", ["Fe 2\nFe 3", "Fe 3\nFe 2", "Fe+2 2\nFe+3 3"])
def test_type_of_two_states_has_none(tmp_path, types):
    assert states(tmp_path, f"{types}\nO -2", "Fe") == (0, -2)


@pytest.mark.parametrize("types", ["Fe+3 3", "Fe+3 III", "Fe 3\nFe ?", "Fe 3\nFe 3+"])
def test_sign_of_a_type_may_come_first_and_types_may_come_twice(tmp_path, types):
    assert states(tmp_path, f"{types}\nO -2", "Fe") == (3, -2)


@pytest.mark.parametrize(
    "text",
    ["x", "+2-", "2/3", "300", "inf", "1_0", "IIII", "Fe3+", "Mg", "2 or 3", "Mg(II)"],
)
def test_text_that_is_no_state_is_told_and_gives_none(tmp_path, text):
    message = (
        r"a\.cif: _atom_type_oxidation_number of Mg is '.*', expected .* not known$"
    )
    with pytest.warns(SiteNetWarning, match=message) as told:
        assert states(tmp_path, f"Mg '{text}'\nO -2") == (0, -2)
    assert len(told) == 1


@pytest.mark.parametrize("text", ["unknown", "n/a", "N/A", "-", "nan", "none"])
def test_words_for_missing_are_no_state(tmp_path, text):
    assert states(tmp_path, f"Mg {text}\nO -2") == (0, -2)
