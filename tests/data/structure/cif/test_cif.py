"""Atoms that a CIF reader would lose in silence."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
import spglib
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure.cif import split_cif
from pyg_sitenet.data.structure.cif.symmetry.named_group import (
    left_settings,
    named_settings,
)
from pyg_sitenet.data.structure.cif.symmetry.operations import read_operations
from pyg_sitenet.data.structure.cif.symmetry.setting_codes import settings_of_code
from pyg_sitenet.data.structure.cif.values import Values
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import SiteNetWarning, StructureError


def load(tmp_path, text):
    path = tmp_path / "x.cif"
    path.write_text(text)
    return load_structure(path)


@pytest.fixture
def cif(nacl) -> str:
    return nacl.to(fmt="cif")


def test_symmetry_is_expanded(tmp_path):
    symmetric = """\
data_rutile
_cell_length_a 4.5937
_cell_length_b 4.5937
_cell_length_c 2.9587
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 42/m n m'
_chemical_formula_sum 'Ti O2'
loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Ti4+ Ti1 0 0 0
O2- O1 0.3053 0.3053 0
"""
    assert load(tmp_path, symmetric).composition.hill_formula == "O4 Ti2"


def test_oxidation_states_are_read(tmp_path, nacl):
    nacl.add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    loaded = load(tmp_path, nacl.to(fmt="cif"))
    assert {site.specie.oxi_state for site in loaded} == {1, -1}


def test_a_file_cut_inside_a_line_is_refused(tmp_path, cif):
    with pytest.raises(StructureError, match="truncated"):
        load(tmp_path, cif[:-20])


@pytest.mark.parametrize("lost", [1, 3])
def test_a_file_cut_between_lines_is_refused(tmp_path, cif, lost):
    lines = cif.rstrip().splitlines()
    with pytest.raises(StructureError, match=r"_chemical_formula_sum .* truncated"):
        load(tmp_path, "\n".join(lines[:-lost]))


def test_partial_occupancy_is_called_disorder(tmp_path, cif):
    head, last = cif.rstrip().rsplit("\n", 1)
    with pytest.raises(StructureError, match="disordered"):
        load(tmp_path, head + "\n" + last.rsplit(maxsplit=1)[0] + " 0.5\n")


def test_two_atoms_in_one_place_are_refused(tmp_path, cif):
    last = cif.rstrip().rsplit("\n", 1)[1]
    with pytest.raises(StructureError, match="two atoms on top of each other"):
        load(tmp_path, cif.rstrip() + "\n" + last + "\n")


def test_unknown_elements_are_not_left_out(tmp_path, cif):
    with pytest.raises(StructureError, match="'Xx' is not a chemical element"):
        load(tmp_path, cif.replace("  Cl  ", "  Xx  "))


def test_deuterium_counts_as_hydrogen(tmp_path, cscl):
    text = cscl.to(fmt="cif").replace("Cs", "D")
    with pytest.warns(SiteNetWarning, match=r"x\.cif: deuterium counts as hydrogen"):
        loaded = load(tmp_path, text)
    assert sorted(loaded.atomic_numbers) == [1, 17]


def test_a_cell_of_no_length_is_refused(tmp_path, cif):
    flat = cif.replace("_cell_length_b   5.64020000", "_cell_length_b   0.0")
    with pytest.raises(StructureError, match=r"x.cif: "):
        load(tmp_path, flat)


def test_multi_line_values_do_not_start_blocks(cif):
    text = cif + "\n_comment\n;\ndata_trap _atom_site_fract_x\n;\n"
    assert [name for name, _ in split_cif(text.splitlines(True))] == ["NaCl"]


def test_blocks_without_atoms_are_passed_over(tmp_path, cif):
    assert len(load(tmp_path, "data_global\n_journal_year 2020\n" + cif)) == 8


def test_hydrogen_that_is_left_out_is_warned_about(tmp_path, cif):
    stated = cif.replace("_sum   'Na4 Cl4'", "_sum   'Na4 Cl4 H8'")
    with pytest.warns(SiteNetWarning, match=r"is Na4 Cl4 H8: used without hydrogen"):
        structure = load(tmp_path, stated)
    assert len(structure) == 8
    (record,) = open_source(tmp_path / "x.cif")
    assert "used without hydrogen" in record.warnings[0]


P1 = "_space_group_name_H-M_alt 'P 1'"
MINIMAL = """\
data_x
_cell_length_a 4.2
_cell_length_b 4.2
_cell_length_c 4.2
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{symmetry}
loop_
_atom_site_type_symbol
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Mg Mg1 0 0 0 1
O O1 0.5 0.5 0.5 1
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "_cell_length_b 4.2\n",
            "",
            "no _cell_length_b; complete the cell of the crystal",
        ),
        ("length_a 4.2", "length_a -4.2", "_cell_length_a is '-4.2', not a number bet"),
        ("length_a 4.2", "length_a ?", r"_cell_length_a is '\?'"),
        ("length_a 4.2", "length_a inf", "_cell_length_a is 'inf'"),
        ("_alpha 90", "_alpha 200", "_alpha is '200', not a number between 0 and 180"),
        ("_alpha 90", "_alpha 180", "_alpha is '180'"),
        ("90\n_cell_angle_beta 90", "30\n_cell_angle_beta 30", "angles 30 30 90"),
        ("O1 0.5", "O1 .", r"_atom_site_fract_x of atom 2 \(O1\) is '\.'"),
        ("O1 0.5", "O1 nan", r"of atom 2 \(O1\) is 'nan', not a finite number"),
        ("O1 0.5", "O1 1e300", r"of atom 2 \(O1\) is '1e300'"),
        ("0.5 0.5 1\n", "0.5 0.5 .\n", r"_occupancy of atom 2 \(O1\) is '\.'; write 1"),
        ("0.5 0.5 1\n", "0.5 0.5 -1\n", r"_occupancy of atom 2 \(O1\) is '-1'"),
        ("Mg Mg1", "Vac Vac1", "'Vac' is not a chemical element"),
        ("Mg Mg1", "Water W1", "'Water' is not a chemical element"),
    ],
)
def test_values_that_a_reader_would_guess_are_refused(tmp_path, old, new, message):
    text = MINIMAL.format(symmetry=P1)
    assert len(load(tmp_path, text)) == 2
    with pytest.raises(StructureError, match=message):
        load(tmp_path, text.replace(old, new))


@pytest.mark.parametrize(
    ("symmetry", "message"),
    [
        ("_symmetry_space_group_name_H-M 'Q 7'", "the space group Q7 is not known"),
        (
            "_cell_measurement_temperature 9\n_space_group_IT_number 225",
            r"its symmetry \(.*\) does not fit its cell \(4.2 4.2 5 90 90 90\)",
        ),
    ],
)
def test_a_symmetry_that_contradicts_is_refused(tmp_path, symmetry, message):
    text = MINIMAL.format(symmetry=symmetry).replace("_c 4.2", "_c 5")
    with pytest.raises(StructureError, match=message):
        load(tmp_path, text)


@pytest.mark.parametrize(
    "stated",
    [
        P1,
        "_symmetry_equiv_pos_as_xyz x,y,z",
        "_chemical_formula_sum 'Mg O'\n_cell_formula_units_Z 1",
        "_chemical_formula_weight 40.30\n_cell_formula_units_Z 1",
        "_exptl_crystal_density_diffrn 0.903",
    ],
)
def test_a_cell_of_which_all_atoms_are_listed_is_read_as_it_is(tmp_path, stated):
    assert len(load(tmp_path, MINIMAL.format(symmetry=stated))) == 2


@pytest.mark.parametrize(
    "stated",
    ["", "_chemical_formula_sum 'Mg O'", "_symmetry_cell_setting cubic", f"{P1[:-5]}?"],
)
def test_a_cell_without_any_symmetry_is_warned_about(tmp_path, stated):
    message = (
        "no space group is stated; read in P 1: if only symmetry-unique atoms are"
        " listed, add the operations$"
    )
    with pytest.warns(SiteNetWarning, match=message):
        assert len(load(tmp_path, MINIMAL.format(symmetry=stated))) == 2


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            "_chemical_formula_sum 'Mg O'\n_cell_formula_units_Z 4",
            "lists 2 atoms in its cell but states Z = 4 formulas",
        ),
        (
            "_exptl_crystal_density_diffrn 3.61",
            r"density is stated to be 3\.61 .* but Mg O in 74\.088 A\^3 has 0\.903",
        ),
    ],
)
def test_atoms_that_are_not_all_of_the_cell_are_refused(tmp_path, stated, message):
    with pytest.raises(StructureError, match=message):
        load(tmp_path, MINIMAL.format(symmetry=stated))


def test_what_libraries_write_states_its_symmetry(tmp_path, nacl):
    nacl.to(filename=str(tmp_path / "pymatgen.cif"))
    AseAtomsAdaptor.get_atoms(nacl).write(tmp_path / "ase.cif")
    for path in tmp_path.iterdir():
        assert len(load_structure(path)) == len(nacl)


def test_atoms_without_occupancy_are_warned_about(tmp_path):
    text = MINIMAL.format(symmetry=P1).replace("0 0 0 1\n", "0 0 0 0\n")
    with pytest.warns(SiteNetWarning, match=r"atom 1 \(Mg1\) has no occupancy: left"):
        assert len(load(tmp_path, text)) == 1


@pytest.mark.parametrize(
    ("written", "shift"),
    [
        ("23/25", 0.92),
        ("0.92", 0.92),
        ("0.918", 0.918),
        ("11/12", 11 / 12),
        ("0.33", 1 / 3),
        ("0.667", 2 / 3),
        ("0.1666", 1 / 6),
    ],
)
def test_translation_of_an_operation_is_what_is_written(written, shift):
    group = read_operations(("x,y,z", f"-x+{written},-y,-z"))
    assert group.translations[1, 0] == pytest.approx(shift, abs=1e-9)


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_code_of_a_setting_is_what_spglib_calls_it():
    kinds = filter(None, map(spglib.get_spacegroup_type, range(1, 531)))
    coded = [kind for kind in kinds if kind.choice]
    for kind in coded:
        operations = gemmi.symops_from_hall(kind.hall_symbol)
        settings = settings_of_code(kind.number, kind.choice)
        assert any(setting.operations() == operations for setting in settings)
        assert len(settings) == 1 or kind.choice in "12"
    assert len(coded) == 344


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
def test_origin_apart_from_the_inversion_centre(tmp_path, triclinic):
    triclinic.translate_sites(range(32), [0.46, 0.2, 0.0])
    path = tmp_path / "kyanite.cif"
    CifWriter(triclinic, symprec=0.01, refine_struct=False).write_file(path)
    assert "-x+23/25, -y+2/5, -z" in path.read_text()
    apart = triclinic.frac_coords[:, None] - load_structure(path).frac_coords
    apart = (apart - np.rint(apart)) @ triclinic.lattice.matrix
    assert np.linalg.norm(apart, axis=2).min(axis=1).max() < 1e-5


@pytest.mark.parametrize("order", ["abc", "ba-c", "cab", "-cba", "bca", "a-cb"])
@pytest.mark.parametrize("number", [48, 50, 59, 68])
def test_code_of_the_axes_alone_leaves_both_origins(number, order):
    """C c c a and C c c b, of number 68, have the operations of origin 1 in common."""
    columns = {
        "_space_group_it_number": [str(number)],
        "_space_group_it_coordinate_system_code": [order],
    }
    values = Values(columns, "a.cif")
    named, is_agreed = named_settings(values)
    left = left_settings(named, values, is_agreed=is_agreed)
    assert {setting.ext for setting in left} == {"1", "2"}
