"""CIFs after public reports: the crystal that is meant, or the true reason."""

import re
import warnings
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from pyg_sitenet.data.structure.cif.species import content_of_label
from pyg_sitenet.data.structure.load import load_structure, read_structures
from pyg_sitenet.errors import SiteNetWarning, StructureError

FOLDER = Path(__file__).parent / "cif"

# Formula of the cell, number of sites and shortest distance in angstrom, by gemmi, ASE
# or a count by hand.
RIGHT = {
    "01-p21n-short-name": ("Na6 Al2 F12", 20, 1.802),
    "02-hall-symbol-only": ("Zr4 O8", 12, 2.052),
    "04-old-name-fd3m": ("Si8", 8, 2.352),
    "06-rhombohedral-axes": ("Bi2", 2, 3.071),
    "14-thirds-of-three-digits-partial": ("La2 Zn0.5", 4, 3.418),
    "15-thirds-of-three-digits-full": ("La2 Zn2", 4, 3.418),
    "16-text-field-like-a-block": ("Si8", 8, 2.330),
    "17-one-operation-not-looped": ("Cs1 Cl1", 2, 3.571),
    "19-pauling-spinel": ("Al15.992 Cu8.008 O32", 56, 1.907),
    "20-hydride-on-oxygen-site": ("Ce2 Fe2 As2 H1.8 O0.2", 8, 2.398),
    "27-capital-data": ("Cs1 Cl1", 2, 3.571),
    "28-capital-loop": ("Cs1 Cl1", 2, 3.571),
}
WARNED = {
    "10-moments-with-plain-symmetry": (
        *("Mn4 O4", 8, 2.222),
        "magnetic moments are left out, its average structure is used",
    ),
    "21-hydroxyl-label": ("Mg1 O2", 3, 2.096, "2 hydrogen atoms have no position"),
    "22-hydroxyl-label-with-formula": ("Mg1 O2", 3, 2.096, "used without hydrogen"),
    "25-attached-hydrogen": ("Al1 O2", 3, 2.737, "1 hydrogen atoms have no position"),
    "32-leftover-lines": ("Er2", 2, 3.468, "values after _fract_z belong to nothing"),
}
REFUSED = {
    "05-identity-against-name": "lists 2 atoms in its cell but states Z = 4",
    "09-modulated": "a modulated structure",
}


def load(name):
    return load_structure(FOLDER / f"{name}.cif", disordered=True)


def assert_crystal(structure, formula, num_sites, shortest):
    distances = structure.distance_matrix + 1e6 * np.eye(len(structure))
    assert structure.composition.formula == formula
    assert len(structure) == num_sites
    assert distances.min() == pytest.approx(shortest, abs=1e-3)


@pytest.mark.parametrize("name", RIGHT)
def test_reported_file_gives_the_crystal_that_is_meant(name):
    assert_crystal(load(name), *RIGHT[name])


@pytest.mark.parametrize("name", WARNED)
def test_reported_file_gives_the_crystal_and_says_what_is_missing(name):
    *expected, message = WARNED[name]
    with pytest.warns(SiteNetWarning, match=message):
        structure = load(name)
    assert_crystal(structure, *expected)


@pytest.mark.parametrize("name", REFUSED)
def test_reported_file_is_refused_with_the_true_reason(name):
    with pytest.raises(StructureError, match=REFUSED[name]):
        load(name)


def test_indented_data_lines_begin_blocks():
    blocks = dict(read_structures(FOLDER / "31-indented-data-lines.cif"))
    formulas = {name: block.composition.formula for name, block in blocks.items()}
    assert formulas == {"first": "Cs1 Cl1", "second": "Cs1 Br1"}


HEADER = "#\\#CIF_2.0\n"
CELL = """\
data_x
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
FULL = "_space_group_name_H-M_alt {}\n"
NAMED = "_symmetry_space_group_name_H-M '{}'\n"
ATOMS = """\
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
"""
NACL = "Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5\n"
FACES = (
    "loop_\n_space_group_symop_operation_xyz\n'x,y,z'\n'x,y+1/2,z+1/2'\n"
    "'x+1/2,y,z+1/2'\n'x+1/2,y+1/2,z'\n"
)


def rock_salt(stated="", symmetry=FACES, atoms=NACL, loop=ATOMS):
    return CELL.format(a=5.64) + stated + symmetry + loop + atoms


OTHER = "data_y\n; _cell_length_a 9\n_cell_length_a 9\nloop_\n_atom_site_fract_x\n0.1\n"
CIF_2 = {
    "name": (FULL.format('"""F m -3 m"""'), ""),
    "name in single quotes": (FULL.format("'''F m -3 m'''"), ""),
    "two in a line": (FULL.format(f"'''Fm-3m''' _note '''{OTHER}''' _o 2"), ""),
    "operations": ("", re.sub("'(.*)'", r'"""\1"""', FACES)),
    "note": (f'_note """{OTHER}"""\n', FACES),
    "note with other quotes": (f"_note '''it's \"\"\"\n{OTHER}'''\n", FACES),
    "nothing": ('_note """"""\n', FACES),
    "comment": ('# """ and _note """\n', FACES),
    "text field": ('_note\n;\n"""\n;\n', FACES),
    "quotes in quotes": ("_note 'it is \"\"\"'\n_other o'''clock\n", FACES),
}


@pytest.mark.parametrize("case", CIF_2)
def test_triple_quotes_of_cif_2(tmp_path, case):
    stated, symmetry = CIF_2[case]
    (tmp_path / "a.cif").write_text(HEADER + rock_salt(stated, symmetry))
    (structure,) = (made for _, made in read_structures(tmp_path / "a.cif"))
    assert_crystal(structure, "Na4 Cl4", 8, 2.82)


def test_triple_quotes_of_older_cifs_belong_to_the_value(tmp_path):
    (tmp_path / "a.cif").write_text(rock_salt(NAMED.format("''F m -3 m''"), ""))
    with pytest.raises(StructureError, match=r"space group ''Fm-3m'' is not known"):
        load_structure(tmp_path / "a.cif")


def silicon(name, position, stated=""):
    atoms = f"Si1 Si {position}\n"
    return CELL.format(a=5.431) + NAMED.format(name) + stated + ATOMS + atoms


SAME = {
    "volume and density": "_cell_volume 179.4\n_exptl_crystal_density_diffrn 2.16\n",
    "Z of the formula": "_cell_formula_units_Z 4\n_chemical_formula_sum 'Cl Na'\n",
    "Z and formula of the cell": (
        "_cell_formula_units_Z 4\n_chemical_formula_sum 'Na4 Cl4'\n"
    ),
    "name": NAMED.format("F m -3 m"),
    "dotted name": "_space_group.name_H-M_alt 'F m -3 m'\n",
    "full name": NAMED.format("F 4/m -3 2/m"),
    "compact name": NAMED.format("Fm-3m"),
    "old name": NAMED.format("F m 3 m"),
    "name in capitals": NAMED.format("FM3M"),
    "number": "_space_group_IT_number 225\n",
    "Hall symbol": "_space_group.name_Hall '-F 4 2 3'\n",
    "crystal system": "_symmetry_cell_setting cubic\n",
}


@pytest.mark.parametrize("case", SAME)
def test_statement_that_is_true_passes(tmp_path, case):
    # 192 operations or four: both have the sites of rock salt.
    symmetry = "" if case.split()[-1] in ("name", "capitals", "number") else FACES
    symmetry = "" if case == "Hall symbol" else symmetry
    (tmp_path / "a.cif").write_text(rock_salt(SAME[case], symmetry))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        structure = load_structure(tmp_path / "a.cif")
    assert_crystal(structure, "Na4 Cl4", 8, 2.82)


MULTIPLICITY = ATOMS + "_atom_site_symmetry_multiplicity\n"
LETTER = ATOMS + "_atom_site_Wyckoff_symbol\n"
CONTRADICTIONS = {
    "volume": (
        rock_salt("_cell_volume 150\n"),
        "_cell_volume is 150 but its lengths and angles make 179.4",
    ),
    "density": (
        rock_salt("_exptl_crystal_density_diffrn 4.3\n"),
        r"density is stated to be 4.3 g/cm\^3 but .* has 2.16",
    ),
    "Z": (
        rock_salt("_cell_formula_units_Z 8\n_chemical_formula_sum 'Na Cl'\n"),
        "lists 8 atoms in its cell but states Z = 8 formulas Na Cl of 2 atoms",
    ),
    "Z without a formula": (
        rock_salt("_cell_formula_units_Z 3\n"),
        "lists 8 atoms in its cell but states Z = 3",
    ),
    "crystal system": (
        rock_salt("_symmetry_cell_setting hexagonal\n"),
        "_symmetry_cell_setting is hexagonal, which does not fit its cell",
    ),
    "name of another group": (
        rock_salt(NAMED.format("P m -3 m")),
        "space group is P m -3 m but its 4 symmetry operations are those of F 1",
    ),
    "two names": (
        rock_salt(NAMED.format("F m -3 m") + "_space_group_IT_number 221\n", ""),
        "space group is said to be F m -3 m and 221, which are different",
    ),
    "Hall symbol of another group": (
        rock_salt("_space_group_name_Hall '-P 4 2 3'\n"),
        "its Hall symbol is -P 4 2 3 but its 4 symmetry operations are those of F 1",
    ),
    "operations that are no group": (
        rock_salt(symmetry=FACES.replace("'x+1/2,y+1/2,z'\n", "")),
        "operations are no group: .* makes .*, which is not among its 3 operations",
    ),
    "operation that is none": (
        rock_salt(symmetry=FACES.replace("y+1/2,z'", "foo,z'")),
        "no group: 'x.1/2,foo,z' is no symmetry operation",
    ),
    "multiplicity": (
        rock_salt(loop=MULTIPLICITY, atoms="Na1 Na 0 0 0 4\nCl1 Cl .5 .5 .5 8\n"),
        r"atom 2 \(Cl1\) is stated to be on 8 sites but its 4 symmetry operations",
    ),
    "Wyckoff position": (
        rock_salt(loop=LETTER, atoms="Na1 Na 0 0 0 4a\nCl1 Cl .5 .5 .5 8c\n"),
        r"atom 2 \(Cl1\) is stated to be on 8 sites but its 4",
    ),
    "disordered formula": (
        rock_salt(
            "_chemical_formula_sum 'Na Cl'\n",
            loop=ATOMS + "_atom_site_occupancy\n",
            atoms="Na1 Na 0 0 0 0.5\nCl1 Cl 0.5 0.5 0.5 1\n",
        ),
        "disordered, lists Cl4 Na2 but its _chemical_formula_sum is Na Cl",
    ),
    "disorder groups without occupancies": (
        rock_salt(
            loop=ATOMS + "_atom_site_disorder_group\n",
            atoms=NACL.replace("\n", " .\n") + "K1 K .2 0 0 1\nK2 K .3 0 0 2\n",
        ),
        "disorder groups 1, 2 .* are alternatives but .* add up to 2",
    ),
    "origin that is open": (
        silicon("F d -3 m", "0.125 0.125 0.125"),
        "setting is ambiguous, its symmetry may be F d -3 m:1 or F d -3 m:2",
    ),
    "Schoenflies alone": (
        rock_salt("_space_group_name_Schoenflies Oh.5\n", ""),
        r"Oh.5 is not known \(_space_group_name_schoenflies\)",
    ),
    "unknown name of a number with settings": (
        CELL.format(a=5.64)
        + NAMED.format("P 21/q")
        + "_space_group_IT_number 14\n"
        + ATOMS
        + NACL,
        "space group 'P 21/q' is not known, and number 14 has several settings",
    ),
    "setting against the operations": (
        rock_salt(
            NAMED.format("P 1 21/n 1"),
            "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'-x,y+1/2,-z+1/2'\n"
            "'-x,-y,-z'\n'x,-y+1/2,z+1/2'\n",
        ),
        "is P 1 21/n 1 but its 4 symmetry operations are those of P 1 21/c 1",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_statement_that_contradicts_is_refused_with_both_sides(tmp_path, case):
    text, message = CONTRADICTIONS[case]
    (tmp_path / "a.cif").write_text(text)
    with pytest.raises(StructureError, match=message):
        load_structure(tmp_path / "a.cif", disordered=True)


@pytest.mark.parametrize(
    ("name", "stated", "num_sites"),
    [
        ("F d -3 m :2", "", 8),
        ("F d -3 m Z", "", 8),
        ("F d -3 m S", "", 16),
        ("Fd-3m", "_cell_formula_units_Z 8\n_chemical_formula_sum Si\n", 8),
        ("F d 3 m", "_cell_formula_units_Z 16\n_chemical_formula_sum Si\n", 16),
    ],
)
def test_origin_follows_from_the_name_or_the_number_of_atoms(
    tmp_path, name, stated, num_sites
):
    (tmp_path / "a.cif").write_text(silicon(name, "0.125 0.125 0.125", stated))
    assert len(load_structure(tmp_path / "a.cif")) == num_sites


@pytest.mark.parametrize(
    ("label", "formula", "element"),
    [
        ("Co1", "", "Co"),
        ("CO1", "_chemical_formula_sum 'Co'\n", "Co"),
        ("CU1", "_chemical_formula_sum 'Cu'\n", "Cu"),
        ("Ow1", "", "O"),
        ("Oa", "", "O"),
        ("SiT", "", "Si"),
        ("Wat", "", "O"),
        ("OH2", "", "O"),
        ("Hb2", "", "H"),
    ],
)
def test_label_stands_for_its_element(tmp_path, label, formula, element):
    loop = ATOMS.replace("_atom_site_type_symbol\n", "")
    text = CELL.format(a=4) + formula + loop + f"{label} 0 0 0\n"
    (tmp_path / "a.cif").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        (site,) = load_structure(tmp_path / "a.cif")
    assert site.species_string == element


@pytest.mark.parametrize(
    ("formula", "atoms", "made"),
    [
        ("NA CL", "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5\n", "Na4 Cl4"),
        ("NACL", "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5\n", "Na4 Cl4"),
        ("TI1.0 N", "Ti1 Ti 0 0 0\nN1 N .5 .5 .5\n", "Ti4 N4"),
        ("(SI C)2", "Si1 Si 0 0 0\nC1 C .25 .25 .25\n", "Si4 C4"),
        ("CO O", "Co1 Co 0 0 0\nO1 O .5 .5 .5\n", "Co4 O4"),
        ("CO O", "CO1 ? 0 0 0\nO1 ? .5 .5 .5\n", "Co4 O4"),
        ("CO", "C1 C 0 0 0\nO1 O .2 0 0\n", "C4 O4"),
        ("CO", "CO1 ? 0 0 0\n", "Co4"),
        ("CUO", "CU1 ? 0 0 0\nO1 ? .5 .5 .5\n", "Cu4 O4"),
        ("CA CO", "CA1 ? 0 0 0\nC1 ? .5 .5 .5\nO1 ? .25 .25 .25\n", "Ca4 C4 O4"),
        ("Ln Cl", "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5\n", "Na4 Cl4"),
        ("A CL", "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5\n", "Na4 Cl4"),
        ("Na Cl X", "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5\n", "Na4 Cl4"),
        ("Na Cl.", "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5\n", "Na4 Cl4"),
    ],
)
def test_formula_in_capitals_or_of_no_element(tmp_path, formula, atoms, made):
    text = rock_salt(f"_chemical_formula_sum '{formula}'\n", atoms=atoms)
    (tmp_path / "a.cif").write_text(text)
    assert load_structure(tmp_path / "a.cif").composition.formula == made


def test_formula_of_many_readings_costs_no_reading_of_all_atoms(tmp_path, monkeypatch):
    counted = Mock(wraps=content_of_label)
    name = "pyg_sitenet.data.structure.cif.atoms.content_of_label"
    monkeypatch.setattr(name, counted)
    rows = "".join(f"CO{n} ? 0 0 {n / 999:.4f}\n" for n in range(1, 999))
    text = rock_salt("_chemical_formula_sum 'CO CU NI SC NB HF'\n", "", rows)
    (tmp_path / "a.cif").write_text(text.replace("5.64", "999"))
    with pytest.raises(StructureError, match="truncated, or atoms are missing"):
        load_structure(tmp_path / "a.cif")
    assert counted.call_count < 2000


def test_label_of_two_elements_of_the_formula_is_refused(tmp_path):
    text = rock_salt("_chemical_formula_sum 'C U O'\n", atoms="CU1 ? 0 0 0\n")
    (tmp_path / "a.cif").write_text(text)
    with pytest.raises(StructureError, match=r"'CU1' .* names several; list each"):
        load_structure(tmp_path / "a.cif")


@pytest.mark.parametrize(
    "formula", ["MG O", "NA2 CL", "CO", "NA CL NI CO CU HF SC NB OS SI SN"]
)
def test_formula_in_capitals_is_compared(tmp_path, formula):
    text = rock_salt(f"_chemical_formula_sum '{formula}'\n")
    (tmp_path / "a.cif").write_text(text)
    with pytest.raises(StructureError, match=f"_formula_sum is {formula}: truncated"):
        load_structure(tmp_path / "a.cif")


@pytest.mark.parametrize("label", ["CO1", "HO2", "Va1", "X1", "Du", "Bq", "M2", "FeMg"])
def test_label_that_names_no_element_is_refused(tmp_path, label):
    loop = ATOMS.replace("_atom_site_type_symbol\n", "")
    (tmp_path / "a.cif").write_text(
        rock_salt("", NAMED.format("P 1"), f"{label} 0 0 0\n", loop)
    )
    with pytest.raises(StructureError, match=f"'{label}' (is not a|may mean one)"):
        load_structure(tmp_path / "a.cif")


def test_group_of_atoms_as_a_symbol_is_its_heavy_atom(tmp_path):
    text = (
        CELL.format(a=4)
        + NAMED.format("P 1")
        + ATOMS
        + "N1 NH3 0 0 0\nO1 OH- 0.5 0.5 0.5\n"
    )
    (tmp_path / "a.cif").write_text(text)
    with pytest.warns(SiteNetWarning, match="4 hydrogen atoms have no position"):
        structure = load_structure(tmp_path / "a.cif")
    assert structure.composition.formula == "N1 O1"


def test_dummy_of_a_calculation_is_left_out(tmp_path):
    loop = ATOMS + "_atom_site_calc_flag\n"
    atoms = NACL.replace("\n", " d\n") + "X1 X . . . dum\n"
    (tmp_path / "a.cif").write_text(rock_salt(atoms=atoms, loop=loop))
    with pytest.warns(SiteNetWarning, match=r"atom 3 \(X1\) is a dummy: left out"):
        structure = load_structure(tmp_path / "a.cif")
    assert structure.composition.formula == "Na4 Cl4"


def test_magnetic_operations_give_the_average_structure(tmp_path):
    operations = (
        "loop_\n_space_group_symop_magn_operation.xyz\n'x,y,z,+1'\n'-x,-y,-z,+1'\n"
        "loop_\n_space_group_symop_magn_centering.xyz\n'x,y,z,+1'\n"
        "'x,y+1/2,z+1/2,+1'\n'x+1/2,y,z+1/2,-1'\n'x+1/2,y+1/2,z,-1'\n"
    )
    (tmp_path / "a.mcif").write_text(rock_salt(symmetry=operations))
    with pytest.warns(SiteNetWarning, match="its average structure is used"):
        structure = load_structure(tmp_path / "a.mcif")
    assert_crystal(structure, "Na4 Cl4", 8, 2.82)


@pytest.mark.parametrize("moment", ["0 0.0 0.000(0)", "? ? ?", ". . ."])
def test_moments_of_zero_are_not_left_out(tmp_path, moment):
    names = (f"_atom_site_moment.crystalaxis_{axis}\n" for axis in "xyz")
    moments = f"loop_\n_atom_site_moment.label\n{''.join(names)}Na1 {moment}\n"
    (tmp_path / "a.cif").write_text(rock_salt() + moments)
    assert len(load_structure(tmp_path / "a.cif")) == 8


@pytest.mark.parametrize(
    "stated",
    [
        "loop_\n_space_group_symop_magn_ssg_operation.id\n"
        "_space_group_symop_magn_ssg_operation.algebraic\n"
        "1 x1,x2,x3,x4,+1\n2 -x1,-x2,-x3,-x4,+1\n",
        "loop_\n_space_group_symop_magn_ssg_centering.algebraic\n'x1,x2,x3,x4,+1'\n",
        "_space_group_magn.ssg_name P-11(abg)0s\n",
        "_space_group_magn.ssg_number 2.1.4.1\n",
        "loop_\n_atom_site_moment_Fourier.atom_site_label\n"
        "_atom_site_moment_Fourier_param.cos\nNa1 1.2\n",
        "_atom_site_moment_special_func.atom_site_label Na1\n",
        "_atom_site_rot_Fourier_axis x\n",
    ],
)
def test_modulated_moments_are_no_average_structure(tmp_path, stated):
    (tmp_path / "a.mcif").write_text(rock_salt(stated))
    with pytest.raises(StructureError, match=r"a modulated structure \(_"):
        load_structure(tmp_path / "a.mcif")


def test_unknown_superspace_group_is_no_modulation(tmp_path):
    (tmp_path / "a.mcif").write_text(rock_salt("_space_group_magn.ssg_name ?\n"))
    assert len(load_structure(tmp_path / "a.mcif")) == 8


def test_name_of_a_crystal_whose_atoms_are_all_listed_passes(tmp_path):
    text = NAMED.format("P m -3 m") + "_symmetry_equiv_pos_as_xyz x,y,z\n"
    (tmp_path / "a.cif").write_text(rock_salt(text, "").replace("5.64", "4.1"))
    assert len(load_structure(tmp_path / "a.cif")) == 2


@pytest.mark.parametrize("label", ["'0.6Fe + 0.4Mg'", "(Fe0.6Mg0.4)", "Fe0.6Mg0.4"])
def test_label_with_shares_is_a_shared_site(tmp_path, label):
    loop = ATOMS.replace("_atom_site_type_symbol\n", "")
    (tmp_path / "a.cif").write_text(
        rock_salt("", NAMED.format("P 1"), f"{label} 0 0 0\n", loop)
    )
    structure = load_structure(tmp_path / "a.cif", disordered=True)
    assert structure.composition.as_dict() == {"Fe": 0.6, "Mg": 0.4}
