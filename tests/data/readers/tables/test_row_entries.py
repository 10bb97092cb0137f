import csv
import json

import ase.io
import pytest

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError


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
    result = [r.structure.composition.reduced_formula for r in source]
    assert result == list(cells)


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


def test_rows_in_other_units_are_converted_or_fail(tmp_path, structures):
    units = ["eV", "meV", "furlong"]
    lines = [
        json.dumps({"structure": _plain(structure), "e": 1500.0, "unit": unit})
        for structure, unit in zip(structures.values(), units, strict=True)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    first, second, third = open_source(tmp_path / "t.jsonl", ["e"])
    assert (first.targets, second.targets) == ({"e": 1500.0}, {"e": 1.5})
    assert third.reason == (
        "the target 'e' is in 'furlong', elsewhere in 'eV', and no conversion between"
        " them is known"
    )


def test_each_target_may_have_a_column_of_units(folder):
    text = "id,gap,gap_unit,k,k unit\nNaCl,1,eV,20,GPa\nMgO,2000,meV,300,kbar\n"
    (folder / "t.csv").write_text(text)
    source = open_source(folder / "t.csv", ["gap", "k"])
    assert [r.targets for r in source] == [
        {"gap": 1.0, "k": 20.0},
        {"gap": 2.0, "k": 30.0},
    ]
    assert source.units == {"gap": "eV", "k": "GPa"}
    assert not source.labels


def test_column_of_units_that_may_be_those_of_others_is_named(folder):
    text = "id,gap,year,unit\nNaCl,1,2000,eV\nMgO,2000,2001,meV\n"
    (folder / "t.csv").write_text(text)
    source = open_source(folder / "t.csv", ["gap"])
    assert source.units == {}
    (note,) = source.notes
    assert "'unit' is not used" in note
    assert "('gap', 'year'); call it 'gap unit'" in note
    (folder / "t.csv").write_text(text.replace("unit", "gap unit"))
    source = open_source(folder / "t.csv", ["gap"])
    assert [record.targets["gap"] for record in source] == [1, 2]
    (folder / "t.csv").write_text(text.replace("gap", "gap [eV]"))
    assert open_source(folder / "t.csv", ["gap"]).notes == []
    (note,) = open_source(folder / "t.csv", ["gap", "year"]).notes
    assert "call it 'year unit'" in note


def test_values_come_in_the_unit_that_is_asked_for(folder):
    (folder / "t.csv").write_text("id,gap [meV]\nNaCl,8500\n")
    source = open_source(folder / "t.csv", ["gap"], units={"gap": "eV"})
    assert _gaps(source) == {"NaCl": 8.5}
    assert source.units == {"gap": "eV"}
    assert source.notes == ["gap: stated in meV, converted to eV"]
    message = r"'gap' is in 'meV', asked for in 'eV/atom'.*data\.units=\{gap: meV\}"
    with pytest.raises(DataError, match=message):
        open_source(folder / "t.csv", ["gap"], units={"gap": "eV/atom"})


def test_numbers_without_a_unit_are_called_plain(folder):
    (folder / "t.csv").write_text("id,gap [%]\nNaCl,85\n")
    source = open_source(folder / "t.csv", ["gap"], units={"gap": ""})
    assert _gaps(source) == {"NaCl": 0.85}
    assert source.notes == ["gap: stated in %, converted to plain numbers"]


def test_second_source_is_converted_to_the_unit_of_the_first(folder):
    (folder / "a.csv").write_text("id,gap [eV]\nNaCl,8.5\n")
    (folder / "b.csv").write_text("id,gap [meV]\nMgO,7800\n")
    source = open_source([folder / "a.csv", folder / "b.csv"], ["gap"])
    assert _gaps(source) == {"NaCl": 8.5, "MgO": 7.8}
    assert source.units == {"gap": "eV"}


def test_names_with_brackets_are_targets(folder):
    text = "id,log10(G_VRH),log10(K_VRH),gap (PBE)\nNaCl,1.1,1.4,5\n"
    (folder / "t.csv").write_text(text)
    names = ["log10(G_VRH)", "log10(K_VRH)", "gap (PBE)"]
    source = open_source(folder / "t.csv", names)
    assert [r.targets for r in source] == [dict(zip(names, (1.1, 1.4, 5), strict=True))]
    assert not source.units
    assert _gaps(open_source(folder / "t.csv", ["gap"])) == {"NaCl": 5.0}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("id;gap\nNaCl;0,5\nMgO;1.234,25\nLiF;2\n", [0.5, 1234.25, 2.0]),
        ("id;gap\nNaCl;1,234\nMgO;2,5\nLiF;,5\n", [1.234, 2.5, 0.5]),
        ('id,gap\nNaCl,"0,5"\nMgO,"1,25"\nLiF,2\n', [0.5, 1.25, 2.0]),
        ('id,gap\nNaCl,"1,234.5"\nMgO,"1,234"\nLiF,2\n', [1234.5, 1234.0, 2.0]),
        ("id\tgap\nNaCl\t1 234,5\nMgO\t-1\u00a0000\nLiF\t2\n", [1234.5, -1e3, 2]),
        ("id;gap\nNaCl;1.234\nMgO;1.5\nLiF;2\n", [1.234, 1.5, 2.0]),
        ('id,gap\nNaCl,"1,23,456.5"\nMgO,"2,000"\nLiF,3\n', [123456.5, 2e3, 3.0]),
        ("sep=;\nid;gap\nNaCl;0,5\nMgO;1,25\nLiF;2\n", [0.5, 1.25, 2.0]),
    ],
)
def test_numbers_are_read_as_a_spreadsheet_means_them(folder, text, values):
    (folder / "t.csv").write_text(text, encoding="utf-8")
    source = open_source(folder / "t.csv", ["gap"])
    assert [record.targets["gap"] for record in source] == values
    has_note = "1.5" not in text
    assert [n.startswith("gap: numbers are") for n in source.notes] == [True] * has_note


def test_numbers_that_may_be_two_are_refused(folder):
    (folder / "t.csv").write_text('id,gap\nNaCl,"1,234"\nMgO,"2,500"\n')
    with pytest.raises(DataError, match=r"'gap', such as '1,234', may be meant in two"):
        open_source(folder / "t.csv", ["gap"])
    for text in ('id,gap\nNaCl,1.523\nMgO,"2,5"\n', "id;gap\nNaCl;1.523\nMgO;2,5\n"):
        (folder / "t.csv").write_text(text)
        with pytest.raises(DataError, match=r"'gap', such as '1.523', may be meant in"):
            open_source(folder / "t.csv", ["gap"])
    (folder / "t.csv").write_text('id,gap\nNaCl,"0,5"\nMgO,1.5\n')
    failure, record = open_source(folder / "t.csv", ["gap"])
    assert "not a number: '0,5'; write all numbers" in failure.reason
    assert record.targets == {"gap": 1.5}


def test_words_for_nothing_are_gaps_and_a_line_says_so(folder):
    (folder / "t.csv").write_text("id,gap,n\nNaCl,N/A,1\nMgO,7.8,--\nLiF,1_10,2\n")
    source = open_source(folder / "t.csv", ["gap", "n"])
    first, second, third = source
    assert str(first.targets["gap"]) == str(second.targets["n"]) == "nan"
    assert "'gap' is not a number: '1_10'" in third.reason
    assert source.notes == [
        "gap: 1 times 'N/A', taken as not known",
        "n: 1 times '--', taken as not known",
    ]


def test_errors_of_a_spreadsheet_are_gaps_in_numbers_and_labels(folder):
    text = "id,gap,kind\nNaCl,#DIV/0!,salt\nMgO,7.8,#REF!\nLiF,13.6,salt\n"
    (folder / "t.csv").write_text(text)
    classes = {"kind": ["oxide", "salt"]}
    source = open_source(folder / "t.csv", ["gap", "kind"], classes=classes)
    first, second, third = source
    assert str(first.targets["gap"]) == str(second.targets["kind"]) == "nan"
    assert third.targets == {"gap": 13.6, "kind": 1.0}
    assert source.notes == [
        "gap: 1 times '#DIV/0!', taken as not known",
        "kind: 1 times '#REF!', taken as not known",
    ]


@pytest.mark.parametrize("heading", ["file,name", "name,path"])
def test_polymorphs_that_share_a_name_are_known_by_their_files(folder, heading):
    cells = ["NaCl.cif,salt", "MgO.cif,oxide", "LiF.cif,salt"]
    if heading.startswith("name"):
        cells = [",".join(reversed(cell.split(","))) for cell in cells]
    rows = [f"{cell},{k}" for k, cell in enumerate(cells)]
    (folder / "t.csv").write_text("\n".join([f"{heading},gap", *rows]))
    source = open_source(folder / "t.csv", ["gap"])
    assert _gaps(source) == {"NaCl": 0.0, "MgO": 1.0, "LiF": 2.0}
    (note,) = source.notes
    assert note.startswith("name: several crystals share one")
    assert source.available == ("gap",)


def test_numbers_that_are_shared_names_are_labels_to_group_by(folder):
    text = "file,name,gap\nNaCl,7,1\nMgO,8,2\nLiF,7,3\n"
    (folder / "t.csv").write_text(text)
    source = open_source(folder / "t.csv", ["gap"], group="name")
    assert (source.available, source.labels) == (("gap",), ("name",))
    assert [entry.group for entry in source.entries()] == ["7", "8", "7"]


def test_names_that_differ_are_ids(folder):
    (folder / "t.csv").write_text("file,name,gap\nNaCl.cif,salt,1\nMgO.cif,oxide,2\n")
    assert _gaps(open_source(folder / "t.csv", ["gap"])) == {"salt": 1.0, "oxide": 2.0}


def test_structures_that_share_a_name_are_known_by_their_rows(tmp_path, structures):
    lines = [
        json.dumps({"name": "salt", "gap": k, "structure": _plain(structure)})
        for k, structure in enumerate(structures.values())
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    source = open_source(tmp_path / "t.jsonl", ["gap"])
    assert _gaps(source) == {"t-1": 0.0, "t-2": 1.0, "t-3": 2.0}


def test_structures_that_were_printed_are_named(tmp_path, structures):
    atoms = structures["NaCl"].to_ase_atoms()
    cells = {"structure": structures["NaCl"], "atoms": atoms}
    kinds = {"structure": "a pymatgen structure", "atoms": "ASE atoms"}
    for column, cell in cells.items():
        _write_csv(tmp_path / "t.csv", [{column: str(cell), "gap": 1}])
        (failure,) = open_source(tmp_path / "t.csv")
        assert failure.id == "t"
        assert f"the printed form of {kinds[column]}" in failure.reason
        assert 'structure.to(fmt="cif")' in failure.remedy


def test_column_of_structures_under_another_name_is_asked_for(tmp_path, structures):
    row = {"": 0, "crystal": structures["NaCl"].to(fmt="cif"), "gap": 1}
    (failure,) = open_source(_write_csv(tmp_path / "t.csv", [row]), ["gap"])
    assert failure.reason == "no structure file for '0'"
    assert "named file, structure, cif" in failure.remedy


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
        ("MgO,,", "the target 'gap' is missing"),
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


@pytest.mark.parametrize("gap", ["N/A", "", "nan"])
def test_ids_that_are_not_known_are_those_of_the_files(folder, gap):
    lines = [f"{gap},{name}.cif,{k}" for k, name in enumerate(("NaCl", "MgO"))]
    (folder / "gaps.csv").write_text("\n".join(["id,file,gap", *lines]))
    result = _gaps(r for r in open_source(folder, ["gap"]) if isinstance(r, Record))
    assert result == {"NaCl": 0.0, "MgO": 1.0}


@pytest.mark.parametrize(
    ("key", "name", "cells"),
    [
        ("id", "atoms", ["2", "1"]),
        ("file", "atoms", ["2", "1"]),
        ("file", "structure", ["2", "rocksalt"]),
        ("file", "structure", ["POSCAR-like", "rocksalt"]),
        ("id", "structure", ["rocksalt", "rocksalt"]),
        ("id", "atoms", ["Na Cl", "Mg O"]),
        ("path", "structure", ["NaCl", "MgO"]),
        ("path", "atoms", ["1", "1"]),
    ],
)
def test_column_that_has_the_name_of_structures_alone(
    tmp_path, structures, key, name, cells
):
    """Numbers of atoms are not the names of files, nor are kinds beside files."""
    names = {"NaCl": "1.cif", "MgO": "2.cif"}
    for formula, file in names.items():
        structures[formula].to(filename=str(tmp_path / file))
    rows = [
        {key: file.removesuffix(".cif" * (key != "file")), name: cell, "gap": k}
        for k, (file, cell) in enumerate(zip(names.values(), cells, strict=True))
    ]
    _write_csv(tmp_path / "t.csv", rows)
    records = list(open_source(tmp_path, ["gap"]))
    found = [record.structure.composition.reduced_formula for record in records]
    assert found == list(names)


@pytest.mark.parametrize(
    "rows",
    [
        [{"cif": "NaCl", "path": "/calc/run-1", "gap": 1}],
        [{"structure": "NaCl", "file": "NaCl.png", "gap": 1}],
        [{"atoms": "NaCl", "gap": 1}],
        [{"structure": "2", "file": "NaCl", "gap": 1}],
    ],
)
def test_column_of_names_without_an_ending(folder, rows):
    _write_csv(folder / "gaps.csv", rows)
    records = [r for r in open_source(folder, ["gap"]) if isinstance(r, Record)]
    assert [r.structure.composition.reduced_formula for r in records] == ["NaCl"]
    assert [r.id for r in records] == ["NaCl"]


def test_column_that_names_no_files_is_to_be_renamed(folder):
    _write_csv(folder / "gaps.csv", [{"id": "1", "structure": "salt", "gap": 1}])
    (failure, *_) = open_source(folder, ["gap"])
    assert failure.reason == "no structure file for 'salt'"
    assert failure.remedy == (
        "add the file or remove the row, or rename the column 'structure' if it names"
        " no files"
    )


@pytest.mark.parametrize("kind", ["dotted", "escaped", "xyz"])
def test_texts_of_files_in_cells(tmp_path, structures, kind):
    text = structures["NaCl"].to(fmt="cif")
    if kind == "dotted":
        text = text.replace("_cell_", "_CELL.").replace("_atom_site_", "_atom_site.")
        text = text[text.index("_CELL.") :]
    elif kind == "escaped":
        text = text.replace("\n", "\\n")
    else:
        file = tmp_path / "NaCl.extxyz"
        ase.io.write(file, structures["NaCl"].to_ase_atoms())
        text = file.read_text()
    rows = [{"id": "a", "cif": text, "gap": 1}]
    (record,) = open_source(_write_csv(tmp_path / "t.csv", rows), ["gap"])
    assert record.id == "a"
    assert record.structure.composition == structures["NaCl"].composition
    assert record.structure.volume == pytest.approx(structures["NaCl"].volume)


def test_dictionaries_of_atoms_in_json_lines(tmp_path, structures):
    lines = [
        json.dumps({"id": k, "atoms": _plain(structure), "file": "none.cif", "gap": k})
        for k, structure in enumerate(structures.values())
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    assert len(_gaps(open_source(tmp_path / "t.jsonl", ["gap"]))) == len(structures)
