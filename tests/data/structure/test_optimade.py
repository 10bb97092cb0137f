import json

import pytest

from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure.dictionary import structure_from_dict
from pyg_sitenet.errors import StructureError


def _entry(id_="mp-1", **changes):
    attributes = {
        "lattice_vectors": [[4.123, 0, 0], [0, 4.123, 0], [0, 0, 4.123]],
        "dimension_types": [1, 1, 1],
        "nperiodic_dimensions": 3,
        "cartesian_site_positions": [[0, 0, 0], [2.0615, 2.0615, 2.0615]],
        "species_at_sites": ["Cs", "Cl"],
        "species": [
            {"name": "Cs", "chemical_symbols": ["Cs"], "concentration": [1.0]},
            {"name": "Cl", "chemical_symbols": ["Cl"], "concentration": [1.0]},
        ],
        "structure_features": [],
        "chemical_formula_reduced": "ClCs",
        "_mp_band_gap": 5.5,
    }
    return {"id": id_, "type": "structures", "attributes": attributes | changes}


def _write(path, document):
    path.write_text(json.dumps(document))
    return path


def _check(record, id_="mp-1"):
    assert record.id == id_
    assert record.structure.formula == "Cs1 Cl1"
    assert record.structure.get_distance(0, 1) == pytest.approx(3.5706, abs=1e-4)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [_entry()], "meta": {"data_returned": 1}},
        {"meta": {}, "data": _entry()},
        [_entry()],
        _entry(),
        {"id": "mp-1", **_entry()["attributes"]},
    ],
    ids=["response", "single response", "list", "entry", "attributes"],
)
def test_export_is_read_with_its_properties_as_targets(tmp_path, document):
    path = _write(tmp_path / "o.json", document)
    source = open_source(path, ["_mp_band_gap"])
    (record,) = source
    _check(record)
    assert record.targets == {"_mp_band_gap": 5.5}


def test_lines_begin_with_a_header_that_states_units(tmp_path):
    lines = [
        {"x-optimade": {"meta": {"api_version": "1.1.0"}}},
        {
            "type": "info",
            "id": "structures",
            "properties": {"_mp_band_gap": {"unit": "eV"}},
        },
        _entry("a"),
        _entry("b"),
    ]
    path = tmp_path / "o.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    source = open_source(path, ["_mp_band_gap"])
    assert source.units == {"_mp_band_gap": "eV"}
    assert source.count == 2
    for id_, record in zip("ab", source, strict=True):
        _check(record, id_)


def test_names_without_species_are_elements():
    attributes = _entry()["attributes"]
    del attributes["species"]
    assert structure_from_dict(attributes, "x").formula == "Cs1 Cl1"


def test_mixed_sites_and_vacancies_are_kept_as_occupancies():
    species = [
        {"name": "A", "chemical_symbols": ["Cs", "Rb"], "concentration": [0.7, 0.3]},
        {
            "name": "B",
            "chemical_symbols": ["Cl", "vacancy"],
            "concentration": [0.9, 0.1],
        },
    ]
    changes = {"species": species, "species_at_sites": ["A", "B"]}
    structure = structure_from_dict(_entry(**changes)["attributes"], "x")
    first, second = (site.species.as_dict() for site in structure)
    assert first == pytest.approx({"Cs": 0.7, "Rb": 0.3})
    assert second == pytest.approx({"Cl": 0.9})


CASES = {
    "molecule or slab without": {"dimension_types": [0, 0, 0]},
    "molecule or slab .* None": {
        "dimension_types": None,
        "lattice_vectors": [[4, 0, 0], [0, 4, 0], [None, None, None]],
    },
    "no lattice_vectors": {"lattice_vectors": ...},
    "no species_at_sites": {"species_at_sites": ...},
    "2 sites but positions": {"cartesian_site_positions": [[0, 0, 0]]},
    "coordinates of atom 1 .* not finite": {
        "cartesian_site_positions": [[0, 0, None], [1, 1, 1]]
    },
    "'X.*' is not a chemical element": {
        "species": [
            {"name": "Cs", "chemical_symbols": ["X"], "concentration": [1]},
            {"name": "Cl", "chemical_symbols": ["Cl"], "concentration": [1]},
        ]
    },
    "add up to 1.4, not 1": {
        "species": [
            {"name": "Cs", "chemical_symbols": ["Cs", "K"], "concentration": [0.7, 0.7]}
        ]
    },
    "1 concentrations for 2 symbols": {
        "species": [
            {"name": "Cs", "chemical_symbols": ["Cs", "K"], "concentration": [1]}
        ]
    },
    "assemblies": {"assemblies": [{"sites_in_groups": [[0], [1]]}]},
    "species 'Qq' of a site is not described": {"species_at_sites": ["Qq", "Cl"]},
}


@pytest.mark.parametrize("reason", CASES)
def test_entry_that_cannot_be_used_is_one_failure(tmp_path, reason):
    bad = _entry("bad", **CASES[reason])
    attributes = bad["attributes"]
    for name in [name for name, value in attributes.items() if value is ...]:
        del attributes[name]
    path = _write(tmp_path / "o.json", {"data": [_entry("a"), bad, _entry("b")]})
    first, failure, last = open_source(path)
    _check(first, "a")
    _check(last, "b")
    assert isinstance(failure, Failure)
    with pytest.raises(StructureError, match=reason):
        raise StructureError(failure.reason)


def test_atoms_without_position_are_warned_about(tmp_path):
    features = {"structure_features": ["implicit_atoms"]}
    (record,) = open_source(_write(tmp_path / "o.json", {"data": [_entry(**features)]}))
    assert "implicit_atoms, which have no position" in record.warnings[0]
