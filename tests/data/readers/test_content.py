import json

import numpy as np
import pytest
from pymatgen.core import Structure

from pyg_sitenet.data.readers.content import (
    Text,
    content_of_cell,
    read_content,
)
from pyg_sitenet.data.structure.dictionary import structure_from_dict
from pyg_sitenet.errors import SiteNetWarning, StructureError


def _same(first: Structure, second: Structure) -> bool:
    return [str(site.specie) for site in first] == [
        str(site.specie) for site in second
    ] and np.allclose(first.distance_matrix, second.distance_matrix, atol=1e-3)


def test_every_form_of_a_structure_reads_alike(structures, tmp_path):
    structure = structures["MgO"]
    path = tmp_path / "MgO.cif"
    structure.to(str(path))
    plain = {
        "lattice": structure.lattice.matrix.tolist(),
        "species": [site.specie.symbol for site in structure],
        "frac_coords": structure.frac_coords.tolist(),
    }
    contents = [
        path,
        content_of_cell(path.read_text()),
        content_of_cell(structure.to(fmt="poscar")),
        content_of_cell(json.dumps(plain)),
        structure.as_dict(),
        plain,
        structure.to_ase_atoms(),
    ]
    for content in contents:
        assert _same(read_content(content, "here"), structure)


def test_oxidation_states_survive_a_dictionary(structures):
    structure = structures["MgO"].copy()
    structure.add_oxidation_state_by_element({"Mg": 2, "O": -2})
    read = read_content(structure.as_dict(), "here")
    assert {site.specie.oxi_state for site in read} == {2, -2}


def test_dictionary_cannot_name_code(structures, tmp_path):
    values = structures["MgO"].as_dict()
    marker = tmp_path / "ran"
    values["sites"][0]["properties"] = {
        "x": {"@module": "pathlib", "@class": "Path", "value": str(marker)}
    }
    values["@module"], values["@class"] = "os", "system"
    assert len(read_content(values, "here")) == 8
    assert not read_content(values, "here").site_properties.get("x")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"lattice": 3, "species": ["H"], "frac_coords": [[0, 0, 0]]},
        {"lattice": {"matrix": None}, "sites": []},
        {"lattice": [[1, 0, 0]], "species": [], "frac_coords": []},
        {"lattice": np.eye(3).tolist(), "species": ["H"], "frac_coords": [[0, 0]]},
        {
            "lattice": np.eye(3).tolist(),
            "species": ["H", "H"],
            "frac_coords": [[0] * 3],
        },
        {"lattice": {"matrix": np.eye(3).tolist()}, "sites": [{"species": "H"}]},
    ],
)
def test_other_dictionaries_are_named(values):
    with pytest.raises(StructureError, match=r"t\.json, row 3: not the dictionary"):
        structure_from_dict(values, "t.json, row 3")


def test_a_disordered_dictionary_is_read_with_its_rounding_mended(structures):
    values = structures["MgO"].as_dict()
    values["sites"][0]["species"] = [
        {"element": "Mg", "occu": 0.501},
        {"element": "Ca", "occu": 0.5},
    ]
    site = read_content(values, "t.json, row 1")[0]
    assert not site.is_ordered
    assert sum(site.species.values()) == pytest.approx(1, abs=1e-9)


def test_error_in_text_names_where_it_stands_and_no_temporary_file():
    text = Text(b"data_x\n_cell_length_a 3\n", "structure.cif")
    with pytest.raises(StructureError, match=r"^t\.csv, row 7") as error:
        read_content(text, "t.csv, row 7")
    assert "pyg_sitenet-" not in str(error.value)


def test_error_of_atoms_names_the_frame(structures):
    atoms = structures["NaCl"].to_ase_atoms()
    atoms.pbc = False
    with pytest.raises(StructureError, match=r"^md\.xyz, frame 4: .*periodic"):
        read_content(atoms, "md.xyz, frame 4")


def test_path_is_not_content_of_a_cell():
    assert content_of_cell("a.cif") is None


def test_warnings_about_text_name_where_it_stands(structures):
    cif = structures["MgO"].to(fmt="cif").replace("Mg4 O4", "Mg4 O4 H4")
    with pytest.warns(SiteNetWarning, match=r"^t\.csv, row 3: lists Mg4 O4"):
        read_content(Text(cif.encode(), "x.cif"), "t.csv, row 3")


def test_dictionary_as_python_prints_it_is_read(structures):
    structure = structures["MgO"]
    assert _same(
        read_content(content_of_cell(str(structure.as_dict())), "x"), structure
    )


def test_printed_dictionary_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    cell = f"{{'lattice': __import__('pathlib').Path({str(marker)!r}).touch()}}"
    with pytest.raises(StructureError, match=r"no JSON, nor .*; write json\."):
        content_of_cell(cell)
    assert not marker.exists()


def test_key_that_is_there_twice_is_named():
    with pytest.raises(StructureError, match=r"^gives 'sites' twice; remove the one"):
        content_of_cell('{"sites": [1], "lattice": {}, "sites": [2]}')


def test_printed_structure_is_named(structures):
    with pytest.raises(StructureError, match=r"printed form of a pymatgen .*to_json"):
        content_of_cell(str(structures["MgO"]))
