"""Wyckoff letters, formula weights and other statements of CIFs about themselves."""

import warnings

import pytest

from pyg_sitenet.data.structure.cif.stated.wyckoff import _positions
from pyg_sitenet.data.structure.load import load_structure, read_structures
from pyg_sitenet.errors import SiteNetWarning, StructureError

CUBE = """\
data_x
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
LOOP = """\
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_Wyckoff_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
"""
ROCK_SALT = "_space_group_name_H-M_alt 'F m -3 m'\n"


def rock_salt(first="a", second="b", position="0.5 0.5 0.5", stated=""):
    atoms = f"Na1 Na {first} 0 0 0\nCl1 Cl {second} {position}\n"
    return CUBE.format(a=5.64) + ROCK_SALT + stated + LOOP + atoms


def fluorite(letters, a=5.463):
    atoms = f"Ca1 Ca {letters[0]} 0 0 0\nF1 F {letters[1]} 0.25 0.25 0.25\n"
    return CUBE.format(a=a) + ROCK_SALT + LOOP + atoms


RHOMBOHEDRAL = """\
data_x
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta {alpha}
_cell_angle_gamma {gamma}
_space_group_name_H-M_alt 'R -3 m :{axes}'
"""
BISMUTH = {
    "hexagonal axes": RHOMBOHEDRAL.format(
        a=4.546, c=11.862, alpha=90, gamma=120, axes="H"
    )
    + LOOP
    + "Bi1 Bi 6c 0 0 0.234\n",
    "rhombohedral axes": RHOMBOHEDRAL.format(
        a=4.746, c=4.746, alpha=57.23, gamma=57.23, axes="R"
    )
    + LOOP
    + "Bi1 Bi 2c 0.234 0.234 0.234\n",
}


def structure_of(tmp_path, text):
    (tmp_path / "a.cif").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        return load_structure(tmp_path / "a.cif")


@pytest.mark.parametrize(
    ("text", "num_sites"),
    [
        (rock_salt(), 8),
        (rock_salt("4a", "4b"), 8),
        (rock_salt("b", "a"), 8),  # the other origin
        (rock_salt("?", "."), 8),
        (rock_salt("A", "B"), 8),
        (fluorite("ac"), 12),
        (fluorite("bc"), 12),
        (BISMUTH["hexagonal axes"], 6),
        (BISMUTH["rhombohedral axes"], 2),
    ],
)
def test_letters_of_any_origin_and_axes_pass(tmp_path, text, num_sites):
    assert len(structure_of(tmp_path, text)) == num_sites


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            rock_salt("c"),
            r"atom 1 \(Na1\) .* position c of F m -3 m, 8 sites, .* make 4",
        ),
        (rock_salt("a", "e"), "position e of F m -3 m, 24 sites, .* make 4"),
        (rock_salt("m"), "position m of F m -3 m, which has no such letter"),
        (rock_salt("a", "a"), "atoms 1 .* and 2 .* both .* position a .* one set of"),
        (
            rock_salt("a", "d", "0.2 0 0"),
            "position d of F m -3 m, which has 0 free coordinates, but its site has 1",
        ),
        (fluorite("cc"), r"atom 1 \(Ca1\) .* position c of F m -3 m, 8 sites"),
        (
            BISMUTH["hexagonal axes"].replace("6c", "a"),
            "position a of R -3 m:H, 3 sites, but its 36 symmetry operations make 6",
        ),
    ],
)
def test_letter_that_no_origin_gives_is_refused(tmp_path, text, message):
    with pytest.raises(StructureError, match=message):
        structure_of(tmp_path, text)


def test_table_has_the_positions_of_all_space_groups():
    table = _positions()
    assert sorted(table) == list(range(1, 231))
    assert sum(map(len, table.values())) == 1731
    # Operations of the point group of the general position, that of F m -3 m.
    assert table[225][-1] == (48, 3)
    assert [entry.multiplicity for entry in table[166]] == [1, 1, 2, 3, 3, 6, 6, 6, 12]


Z = "_cell_formula_units_Z 4\n"


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (Z + "_chemical_formula_weight 58.44\n", ""),
        (Z + "_chemical_formula_weight 58.44\n_chemical_formula_sum 'Cl Na'\n", ""),
        ("_chemical_formula_weight 74.55\n", ""),  # no Z: of any number of formulas
        (
            Z + "_chemical_formula_weight 74.55\n",
            "4 formulas of 74.55 g/mol are stated, 298.2, but Cl4 Na4 has 233.77",
        ),
        (
            "_cell_formula_units_Z 2\n_chemical_formula_weight 58.44\n",
            "2 formulas of 58.44 g/mol are stated, 116.88, but Cl4 Na4 has 233.77",
        ),
        (
            Z + "_chemical_formula_weight 29.2\n",
            "4 formulas of 29.2 g/mol are stated, 116.8, but Cl4 Na4",
        ),
    ],
)
def test_formula_weight_is_compared(tmp_path, stated, message):
    text = rock_salt(stated=stated)
    if not message:
        assert len(structure_of(tmp_path, text)) == 8
        return
    with pytest.raises(StructureError, match=message):
        structure_of(tmp_path, text)


def test_reference_name_alone_is_the_group_of_its_type(tmp_path):
    text = rock_salt().replace("H-M_alt", "H-M_ref")
    assert len(structure_of(tmp_path, text)) == 8


def test_block_without_atoms_is_passed_over(tmp_path):
    empty = CUBE.format(a=4).replace("data_x", "data_y") + LOOP + "? ? ? ? ? ?\n"
    (tmp_path / "a.cif").write_text(rock_salt() + empty)
    assert [name for name, _ in read_structures(tmp_path / "a.cif")] == ["x"]


def test_loop_of_many_columns_is_read_at_once(tmp_path):
    # The search for lists without atoms once tried all ways to split their lines.
    more = "".join(f"_atom_site_note_of_column_{number}\n" for number in range(60))
    atoms = f"Na1 Na a 0 0 0{' 1' * 60}\nCl1 Cl b 0.5 0.5 0.5{' 1' * 60}\n"
    text = CUBE.format(a=5.64) + ROCK_SALT + LOOP + more + atoms
    assert len(structure_of(tmp_path, text)) == 8


OPERATIONS = "loop_\n_symmetry_equiv_pos_as_xyz\n"
MULTIPLICITY = LOOP.replace("Wyckoff_symbol", "symmetry_multiplicity")


def test_images_that_are_stated_to_be_one_site_are_one(tmp_path):
    # The twofold axis was found 0.03 A from where the others meet.
    operations = "'x,y,z'\n'-x+1/120,y,-z'\n'-x,-y,-z'\n'x,-y,z'\n"
    atoms = "Na1 Na 1 0 0 0\nCl1 Cl 1 0.5 0.5 0.5\n"
    text = CUBE.format(a=4) + OPERATIONS + operations + MULTIPLICITY + atoms
    assert len(structure_of(tmp_path, text)) == 2


def test_images_apart_that_are_stated_to_be_one_site_are_refused(tmp_path):
    operations = "'x,y,z'\n'-x,-y,z'\n'-x,y,-z'\n'x,-y,-z'\n"
    atoms = "Na1 Na 1 0.05 0 0\nCl1 Cl 1 0.5 0.5 0.5\n"
    text = CUBE.format(a=4) + OPERATIONS + operations + MULTIPLICITY + atoms
    with pytest.raises(StructureError, match=r"stated to be on 1 sites but .* make 2"):
        structure_of(tmp_path, text)


def test_operations_that_were_found_within_a_tolerance_are_a_group(tmp_path):
    operations = "'x,y,z'\n'-x+1/250,-y,z'\n'x,-y+1/400,-z'\n'-x,y,-z+1/300'\n"
    atoms = LOOP + "Na1 Na ? 0 0 0\nCl1 Cl ? 0.5 0.5 0.5\n"
    text = CUBE.format(a=4) + OPERATIONS + operations + atoms
    assert len(structure_of(tmp_path, text)) == 2
