import csv
import json

import pytest

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source


def _write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _plain(structure):
    return {
        "lattice": structure.lattice.matrix.tolist(),
        "species": [site.specie.symbol for site in structure],
        "frac_coords": structure.frac_coords.tolist(),
    }


def _gaps(source):
    return {record.id: record.targets["gap"] for record in source}


def test_rows_may_hold_paths_text_or_dictionaries(tmp_path, folder, structures):
    cells = {
        "NaCl": f"{folder.name}/NaCl.cif",
        "MgO": structures["MgO"].to(fmt="cif"),
        "LiF": json.dumps(_plain(structures["LiF"])),
    }
    rows = [
        {"material_id": name, "structure": cell, "gap (eV)": k}
        for k, (name, cell) in enumerate(cells.items())
    ]
    source = open_source(_write_csv(tmp_path / "t.csv", rows), ["gap"])
    assert _gaps(source) == {"NaCl": 0.0, "MgO": 1.0, "LiF": 2.0}
    assert source.units == {"gap": "eV"}
    found = [r.structure.composition.reduced_formula for r in source]
    assert found == list(cells)


def test_json_lines_with_a_unit_in_each_row(tmp_path, structures):
    lines = [
        json.dumps(
            {"id": k, "structure": _plain(structure), "target": k, "unit": "1/cm"}
        )
        for k, structure in enumerate(structures.values())
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    source = open_source(tmp_path / "t.jsonl", ["target"])
    assert source.units == {"target": "1/cm"}
    assert [record.id for record in source] == ["0", "1", "2"]


def test_row_in_another_unit_is_one_failure(tmp_path, structures):
    lines = [
        json.dumps({"structure": _plain(structure), "e": 1.0, "unit": unit})
        for structure, unit in zip(
            structures.values(), ["eV", "meV", "eV"], strict=True
        )
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    first, second, third = open_source(tmp_path / "t.jsonl", ["e"])
    assert (first.id, third.id) == ("t-1", "t-3")
    assert second.reason == "the unit 'meV' is not 'eV' as elsewhere"


def test_file_column_names_the_crystal_if_there_is_no_id(folder):
    (folder / "t.csv").write_text("filename,gap\nNaCl.cif,1\nMgO,2\n")
    assert _gaps(open_source(folder / "t.csv", ["gap"])) == {"NaCl": 1.0, "MgO": 2.0}


def test_first_column_holds_ids_if_none_is_named_so(folder):
    (folder / "t.csv").write_text("compound,gap\nNaCl,1\nMgO,2\n")
    source = open_source(folder / "t.csv", ["gap"])
    assert _gaps(source) == {"NaCl": 1.0, "MgO": 2.0}
    assert source.available == ("gap",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("CaO,3", "no structure file for 'CaO'"),
        ("MgO,", "the target 'gap' is missing"),
        ("MgO,metal", "the target 'gap' is not a number: 'metal'"),
        ("MgO,inf", "the target 'gap' is not finite: inf"),
        ("MgO,nan", "the target 'gap' is not finite: nan"),
        (",3", "names no structure"),
        ("MgO,3,4", "3 values for 2 columns"),
        ("MgO", "the target 'gap' is missing"),
    ],
)
def test_bad_row_is_one_failure_among_the_rest(folder, row, reason):
    (folder / "t.csv").write_text(f"id,gap\nNaCl,1\n{row}\nLiF,2\n")
    first, failure, last = open_source(folder / "t.csv", ["gap"])
    assert (first.id, last.id) == ("NaCl", "LiF")
    assert isinstance(failure, Failure)
    assert failure.reason == reason
    assert failure.stage == "table"
    assert failure.origin == f"{folder / 't.csv'}, row 2"
    assert failure.remedy


def test_name_of_two_files_is_one_failure(folder):
    for name in ("x", "y"):
        (folder / name).mkdir()
        (folder / "NaCl.cif").with_name(name).joinpath("KCl.cif").write_text("data_")
    (folder / "gaps.csv").write_text("id,gap\nKCl,1\nNaCl,2\n")
    failure, record, *_ = open_source(folder, ["gap"])
    assert "may be any of x/KCl.cif, y/KCl.cif" in failure.reason
    assert isinstance(record, Record)


def test_second_crystal_of_an_id_is_a_failure(folder):
    (folder / "t.csv").write_text("id,file,gap\na,NaCl,1\na,MgO,2\nb,LiF,3\n")
    first, failure, last = open_source(folder / "t.csv", ["gap"])
    assert first.structure.composition.reduced_formula == "NaCl"
    assert last.id == "b"
    assert f"'a' is already used by {folder / 't.csv'}, row 1" in failure.reason
    assert failure.stage == "table"
