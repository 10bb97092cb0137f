import json
import shutil
import zipfile
from pathlib import Path

import ase.io
import pandas as pd
import pytest
import yaml
from ase.calculators.singlepoint import SinglePointCalculator
from pymatgen.entries.computed_entries import ComputedStructureEntry

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError


@pytest.fixture(params=["folder", "zip", "zip of the folder"])
def place(request, folder, tmp_path):
    """The same crystals as a folder and as archives."""
    if request.param == "folder":
        return folder
    prefix = "" if request.param == "zip" else "crystals/"
    path = tmp_path / "crystals.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, prefix + file.name)
    shutil.rmtree(folder)
    return path


def test_folder_and_archive_with_a_table(place):
    source = open_source(place, ["gap"])
    result = {r.id: (r.targets["gap"], r.structure.formula) for r in source}
    assert result == {
        "NaCl": (8.5, "Na4 Cl4"),
        "MgO": (7.8, "Mg4 O4"),
        "LiF": (13.6, "Li4 F4"),
    }
    assert source.units == {"gap": "eV"}
    assert source.available == ("gap",)


def test_without_targets_every_structure_file_is_read(place):
    source = open_source(place)
    assert sorted(r.structure.composition.reduced_formula for r in source) == [
        "LiF",
        "MgO",
        "NaCl",
    ]
    assert source.available == ("gap",)
    assert source.count == 3


def test_file_without_a_row_is_a_failure(folder):
    (folder / "gaps.csv").write_text("id,gap\nNaCl,1\nMgO,2\n")
    *records, failure = open_source(folder, ["gap"])
    assert [record.id for record in records] == ["NaCl", "MgO"]
    assert isinstance(failure, Failure)
    assert failure.origin == str(folder / "LiF.cif")
    assert failure.reason == "no row for this file in gaps.csv"


def test_broken_file_does_not_stop_the_rest(folder):
    (folder / "MgO.cif").write_text("")
    kinds = {type(item): item for item in open_source(folder, ["gap"])}
    assert set(kinds) == {Record, Failure}
    assert "MgO.cif" in kinds[Failure].reason
    assert kinds[Failure].stage == "read"


def test_headerless_table_of_cgcnn(folder):
    (folder / "gaps.csv").rename(folder / "old_predictions.csv")
    (folder / "id_prop.csv").write_text("NaCl,8.5\nMgO,7.8\nLiF,13.6\n")
    (folder / "atom_init.json").write_text('{"1": [0, 1]}')
    assert [r.targets["gap"] for r in open_source(folder, ["gap"])] == [8.5, 7.8, 13.6]
    assert open_source(folder).available == ("target",)
    with pytest.raises(DataError, match=r"no target 'x' \(available: target\)"):
        open_source(folder, ["x", "y"])


def test_table_is_chosen_by_its_path_if_there_are_several(folder):
    (folder / "more.csv").write_text("id,n\nNaCl,1.5\n")
    with pytest.raises(DataError, match=r"several tables \(gaps.csv, more.csv\)"):
        open_source(folder, ["n"])
    assert [r.targets for r in open_source(folder / "more.csv", ["n"])] == [{"n": 1.5}]
    assert len(list(open_source(folder))) == 3


def test_tables_beyond_those_named_are_counted(folder):
    for number in range(7):
        (folder / f"t{number}.csv").write_text("id,n\nNaCl,1.5\n")
    message = r"several tables \(gaps.csv, t0.csv, .*, t3.csv and 3 more\); give"
    with pytest.raises(DataError, match=message):
        open_source(folder, ["n"])


@pytest.mark.parametrize("name", ["gaps.xlsx", "export.json"])
def test_export_beside_the_table_is_told(folder, name):
    """Which of both is the newer one, nobody can tell."""
    rows = [{"id": "NaCl", "gap [eV]": 7}]
    if name.endswith("xlsx"):
        pd.DataFrame(rows).to_excel(folder / name, index=False)
    else:
        (folder / name).write_text(json.dumps(rows))
    (folder / "steps.json").write_text(json.dumps([{"step": 1, "energy": -3.5}]))
    predictions = [{"id": "NaCl", "formula": "NaCl", "gap": 8.4, "warnings": ""}]
    (folder / "old.json").write_text(json.dumps(predictions))
    source = open_source(folder, ["gap"])
    assert [record.targets["gap"] for record in source] == [8.5, 7.8, 13.6]
    assert source.notes == [
        f"{name} is not read, since gaps.csv is the table; remove one of them"
    ]
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"top/{file.name}")
    (note,) = open_source(folder.with_suffix(".zip"), ["gap"]).notes
    assert note.startswith(f"top/{name} is not read, since top/gaps.csv is")


def test_targets_need_a_table(folder):
    (folder / "gaps.csv").unlink()
    with pytest.raises(DataError, match="no table with targets; add a CSV file"):
        open_source(folder, ["gap"])


def test_unknown_target_names_those_of_the_table(folder):
    with pytest.raises(
        DataError, match=r"no target 'bandgap', did you mean 'gap'\? \(available: gap\)"
    ):
        open_source(folder, ["bandgap"])


def test_empty_folder_says_what_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"no structure files .* and no table"):
        open_source(tmp_path)


def test_folders_below_are_looked_into(folder):
    for k in range(2):
        (folder / f"run{k}").mkdir()
        shutil.copy(folder / "NaCl.cif", folder / f"run{k}")
    ids = [record.id for record in open_source(folder)]
    assert ids == ["LiF", "MgO", "NaCl", "run0/NaCl", "run1/NaCl"]


def test_same_name_with_two_endings_are_two_crystals(folder, structures):
    structures["MgO"].to(str(folder / "MgO.vasp"), fmt="poscar")
    ids = [record.id for record in open_source(folder)]
    assert ids == ["LiF", "MgO.cif", "MgO.vasp", "NaCl"]


def test_table_of_structures_without_files(tmp_path, structures):
    (tmp_path / "set").mkdir()
    text = structures["MgO"].to(fmt="cif")
    (tmp_path / "set" / "t.csv").write_text(f'id,cif\na,"{text}"\n')
    assert [record.id for record in open_source(tmp_path / "set")] == ["a"]


@pytest.mark.parametrize("change", ["structure", "target", "new file"])
def test_digest_sees_every_change(folder, change):
    before = open_source(folder, ["gap"]).digest()
    assert open_source(folder, ["gap"]).digest() == before
    if change == "structure":
        shutil.copy(folder / "MgO.cif", folder / "LiF.cif")
    elif change == "target":
        table = (folder / "gaps.csv").read_text()
        (folder / "gaps.csv").write_text(table.replace("7.8", "7.9"))
    else:
        shutil.copy(folder / "MgO.cif", folder / "KCl.cif")
    assert open_source(folder, ["gap"]).digest() != before


def test_digest_of_a_table_sees_its_files(folder):
    before = open_source(folder / "gaps.csv", ["gap"]).digest()
    shutil.copy(folder / "MgO.cif", folder / "LiF.cif")
    assert open_source(folder / "gaps.csv", ["gap"]).digest() != before


def test_column_of_text_says_why_it_is_no_target(folder):
    for path in folder.glob("*.csv"):
        path.unlink()
    (folder / "t.csv").write_text("id;gap\nMgO;wide\n")
    with pytest.raises(DataError, match=r"'gap' holds no numbers but 'wide'; numbers"):
        open_source(folder, ["gap"])


def test_rows_without_a_unit_among_others_are_told(folder):
    (folder / "gaps.csv").write_text("id,gap,unit\na,1,eV\nb,2000,\n")
    assert open_source(folder, ("gap",)).notes == [
        "gap: 1 row states no unit, taken as eV"
    ]


def test_unit_behind_a_number_belongs_into_the_heading(folder):
    (folder / "gaps.csv").write_text("id,gap\na,1.5 eV\nb,2 eV\n")
    with pytest.raises(DataError, match=r"its unit belongs in the heading, gap \[eV"):
        open_source(folder, ("gap",))


def test_files_of_a_file_manager_are_no_structures(folder):
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
    assert all(isinstance(item, Record) for item in open_source(folder))


@pytest.mark.parametrize(
    "heading",
    [
        "id,formula,gap [eV],warnings",
        "id,formula,gap,known gap",
        "origin,id,stage,reason,remedy",
        "trajectory,formula,target,frames",
    ],
)
@pytest.mark.parametrize("mark", [",", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_results_beside_the_data_are_no_data(folder, heading, mark, ending):
    text = f"{heading}\na,Si,1,2\n".replace(",", mark)
    (folder / f"results.{ending}").write_text(text)
    assert (
        open_source(folder, ("gap",)).units
        == open_source(folder / "gaps.csv", ("gap",)).units
    )
    (folder / "gaps.csv").unlink()  # then they may be meant
    assert open_source(folder).available is not None


def test_accents_may_be_characters_of_their_own(folder):
    (folder / "NaCl.cif").rename(folder / "e\u0301.cif")
    (folder / "gaps.csv").write_text("file,gap\n\u00e9.cif,1\nMgO.cif,2\n", "utf-8")
    records = [*open_source(folder, ("gap",))][:2]
    assert [record.targets["gap"] for record in records] == [1, 2]


def test_column_with_another_role_is_told_as_such(folder):
    (folder / "gaps.csv").write_text("id,file,gap\n1,a.cif,2\n2,b.cif,3\n")
    for name, role in (("id", "names the crystals"), ("file", "holds structures")):
        with pytest.raises(DataError, match=f"the column '{name}' {role}, so that it"):
            open_source(folder, (name,))


def test_column_that_is_empty_or_of_two_meanings_is_told(folder):
    (folder / "gaps.csv").write_text("id;x;gap;E\nMgO;0,5;N/A;1.234\n")
    with pytest.raises(
        DataError, match="'gap' holds no numbers, all 1 rows are empty; f"
    ):
        open_source(folder, ["gap"])
    with pytest.raises(DataError, match=r"'E', such as '1\.234', may be meant in two"):
        open_source(folder, ["E"])


def test_table_without_named_values_says_why(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('[{"id": "a", "gap": 1}, {"id": "b", "gap": 2}]')
    message = "t.jsonl: no rows of named values: row 1: expected an object, got list"
    with pytest.raises(DataError, match=message):
        open_source(path, ["gap"])


def test_column_of_units_that_may_be_of_several_targets_is_not_used(folder):
    (folder / "gaps.csv").write_text("id,a,b,unit\nMgO,1,2,eV\n")
    source = open_source(folder, ["a"])
    assert source.units == {}
    assert source.labels == ("unit",)  # and so told as a column that is not used


def test_objects_are_no_source():
    with pytest.raises(DataError, match="several of them, got dict; write a table to"):
        open_source({"a": 1})


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_structures_in_json_and_yaml_files_beside_others(folder, structures, ending):
    """Records of calculations and settings are no structures."""
    values = structures["NaCl"].as_dict()
    dump = json.dumps if ending == "json" else yaml.safe_dump
    (folder / "sub").mkdir()
    (folder / f"sub/salt.{ending}").write_text(dump(values))
    deep = {"calc": {"input": {"data": {"structure": values}}}}
    (folder / f"record.{ending}").write_text(dump(deep))
    (folder / f"settings.{ending}").write_text(dump({"plot": {"cell": 3}, "sites": 1}))
    records = {record.id: record for record in open_source(folder)}
    assert records.keys() == {"NaCl", "MgO", "LiF", f"sub/salt.{ending}"}
    assert records[f"sub/salt.{ending}"].structure == structures["NaCl"]
    reasons = {r.reason for r in open_source(folder, ["gap"]) if isinstance(r, Failure)}
    assert reasons == {"no row for this file in gaps.csv"}
    (folder / f"sub/salt.{ending}").write_text(dump(values).replace("Na", "Qq"))
    assert [r.id for r in open_source(folder) if isinstance(r, Failure)] == [
        f"sub/salt.{ending}"
    ]


@pytest.mark.parametrize("is_zip", [False, True])
def test_rows_name_json_files_by_path_and_stem(tmp_path, structures, is_zip):
    folder = tmp_path / "crystals"
    folder.mkdir()
    names = ["NaCl.json", "MgO.yaml", "LiF.cif"]
    structures["NaCl"].to(filename=str(folder / "NaCl.json"))
    (folder / "MgO.yaml").write_text(yaml.safe_dump(structures["MgO"].as_dict()))
    structures["LiF"].to(filename=str(folder / "LiF.cif"))
    (folder / "LiF.json").write_text('{"note": "of the file with this name"}')
    (folder / "t.csv").write_text("id,gap\nNaCl,1\nMgO,2\nLiF,3\n")
    place = folder
    if is_zip:
        place = Path(shutil.make_archive(str(folder), "zip", folder))
    found = list(open_source(place, ["gap"]))
    assert [r.structure.composition.reduced_formula for r in found] == [
        name.partition(".")[0] for name in names
    ]
    if not is_zip:
        rows = "".join(f"{name},1\n" for name in names)
        (folder / "t.csv").write_text(f"file,gap\n{rows}")
        assert all(isinstance(r, Record) for r in open_source(folder, ["gap"]))


def test_folder_of_yaml_files_with_records_before_the_cell(tmp_path, structures):
    values = {"input": {"run": {"of": {"cell": [1]}}}, **structures["NaCl"].as_dict()}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(structures["MgO"].as_dict()))
    (tmp_path / "b.yml").write_text(yaml.safe_dump(structures["LiF"].as_dict()))
    assert len(list(open_source(tmp_path))) == 2
    (tmp_path / "c.json").write_text(json.dumps(values))
    records = list(open_source(tmp_path))
    assert [r.structure.composition.reduced_formula for r in records] == [
        "MgO",
        "LiF",
        "NaCl",
    ]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_table_of_structures_comes_before_documents(tmp_path, structures, kind):
    rows = [{"id": name, "cif": structures[name].to(fmt="cif")} for name in structures]
    if kind == "csv":
        pd.DataFrame(rows).to_csv(tmp_path / "data.csv", index=False)
    else:
        (tmp_path / "data.json").write_text(json.dumps(rows))
    (tmp_path / "raw").mkdir()
    structures["NaCl"].to(filename=str(tmp_path / "raw" / "host.json"))
    (tmp_path / "config.yaml").write_text("lattice: cubic\nsites: 2\n")
    assert [record.id for record in open_source(tmp_path)] == list(structures)


@pytest.mark.parametrize("table", ["t.csv", "t.xlsx"])
def test_documents_that_no_row_names_are_failures(tmp_path, structures, table):
    for name in ("NaCl", "MgO"):
        structures[name].to(filename=str(tmp_path / f"{name}.json"))
    frame = pd.DataFrame([{"id": "NaCl", "gap": 8.5}])
    write = frame.to_csv if table.endswith("csv") else frame.to_excel
    write(tmp_path / table, index=False)
    record, failure = open_source(tmp_path, ["gap"])
    assert record.structure.composition.reduced_formula == "NaCl"
    assert failure.reason == f"no row for this file in {table}"


def test_cells_below_others_are_those_of_structures(tmp_path, structures):
    """A calculator, many sites or properties may stand before them."""
    structures["NaCl"].to(filename=str(tmp_path / "a.cif"))
    values = structures["MgO"].as_dict()
    held = {"structure": {"properties": {"x": "}{"}, **values}, "gap": 4.5}
    (tmp_path / "held.json").write_text(json.dumps(held))
    atoms = structures["LiF"].to_ase_atoms()
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    ase.io.write(tmp_path / "base.json", atoms, format="json")
    (tmp_path / "other.json").write_text(json.dumps({"a": {"note": values}}))
    assert {record.id.partition("@")[0] for record in open_source(tmp_path)} == {
        "a",
        "held.json",
        "base.json",
    }


def test_archive_whose_paths_have_backslashes(tmp_path, structures):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("t.csv", "file,gap\nnew\\NaCl.cif,1\nnew/POSCAR,2\nLiF,3\n")
        file.writestr(r"new\NaCl.cif", structures["NaCl"].to(fmt="cif"))
        file.writestr(r"new\POSCAR", structures["MgO"].to(fmt="poscar"))
        file.writestr(r"new\LiF.cif", structures["LiF"].to(fmt="cif"))
    records = list(open_source(archive, ["gap"]))
    found = [record.structure.composition.reduced_formula for record in records]
    assert found == ["NaCl", "MgO", "LiF"]


def test_column_of_units_beside_another_unit_in_the_heading_is_told(folder):
    (folder / "gaps.csv").write_text("id,gap [eV],gap_unit\nNaCl,8500,meV\n")
    source = open_source(folder, ("gap",))
    assert source.notes == [
        "gap: the column 'gap_unit' states 'meV', its heading 'eV'; that of the column"
        " is taken"
    ]
    values = [item.targets for item in source if isinstance(item, Record)]
    assert values == [pytest.approx({"gap": 8.5})]


def test_word_that_is_a_class_is_not_told_as_unknown(folder):
    (folder / "gaps.csv").write_text("id,spin\nNaCl,none\nMgO,FM\nLiF,-\n")
    source = open_source(folder, ("spin",), classes={"spin": ["none", "FM"]})
    assert source.notes == ["spin: 1 times '-', taken as not known"]


def test_entry_of_pymatgen_is_read_like_a_list_of_one(tmp_path, structures):
    salt = structures["NaCl"]
    entry = ComputedStructureEntry(salt, -27.1, data={"gap": 5.0}, entry_id="mp-22862")
    document = json.loads(json.dumps(entry.as_dict()))
    for name, content in (("one.json", document), ("list.json", [document])):
        (tmp_path / name).write_text(json.dumps(content))
        (record,) = open_source(tmp_path / name, ["energy"])
        assert (record.id, record.targets) == ("mp-22862", {"energy": -27.1})
        assert record.structure == salt


def test_row_of_one_crystal_is_read_like_a_list_of_one(tmp_path, structures):
    salt = structures["NaCl"]
    for number, cell in enumerate((salt.as_dict(), salt.to(fmt="cif"))):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({"id": "salt", "structure": cell, "gap": 8.5}))
        (record,) = open_source(path, ["gap"])
        assert (record.id, record.targets["gap"]) == ("salt", 8.5)
        assert record.structure.composition.reduced_formula == "NaCl"


def test_entries_of_pymatgen_in_a_folder_are_structures(tmp_path, structures):
    for name, structure in structures.items():
        entry = ComputedStructureEntry(structure, -27.1, data={"gap": 5.0})
        (tmp_path / f"{name}.json").write_text(json.dumps(entry.as_dict()))
    records = {record.id: record for record in open_source(tmp_path)}
    assert {id_: record.structure for id_, record in records.items()} == {
        f"{name}.json": structure for name, structure in structures.items()
    }


def test_refused_format_in_a_folder_says_what_to_do_once(folder):
    (folder / "quartz.res").write_text("TITL quartz\n")
    (folder / "torn.xyz").write_text("2\ntorn\nNa 0 0 0\n")
    failures = {r.id: r for r in open_source(folder) if isinstance(r, Failure)}
    assert failures["quartz"].remedy == "convert it to CIF"
    assert failures["torn"].remedy == "export it again"
    for failure in failures.values():
        assert failure.sentence() == failure.reason
