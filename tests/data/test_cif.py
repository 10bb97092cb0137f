"""Atoms that a CIF reader would lose in silence."""

from __future__ import annotations

import pytest

from pyg_sitenet.data.cif import split_cif
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure import load_structure
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
    cscl.replace_species({"Cs": "D"})
    loaded = load(tmp_path, cscl.to(fmt="cif"))
    assert sorted(loaded.atomic_numbers) == [1, 17]


def test_a_cell_of_no_length_is_refused(tmp_path, cif):
    flat = cif.replace("_cell_length_b   5.64020000", "_cell_length_b   0.0")
    with pytest.raises(StructureError, match=r"x.cif: "):
        load(tmp_path, flat)


def test_multi_line_values_do_not_start_blocks(cif):
    text = cif + "\n_comment\n;\ndata_trap _atom_site_fract_x\n;\n"
    assert [name for name, _ in split_cif(text)] == ["NaCl"]


def test_blocks_without_atoms_are_passed_over(tmp_path, cif):
    assert len(load(tmp_path, "data_global\n_journal_year 2020\n" + cif)) == 8


def test_hydrogen_that_is_left_out_is_warned_about(tmp_path, cif):
    stated = cif.replace("_sum   'Na4 Cl4'", "_sum   'Na4 Cl4 H8'")
    with pytest.warns(SiteNetWarning, match=r"is Na4 Cl4 H8: used without hydrogen"):
        structure = load(tmp_path, stated)
    assert len(structure) == 8
    (record,) = open_source(tmp_path / "x.cif")
    assert "used without hydrogen" in record.warnings[0]
