"""Folders and archives say what may hold structures and is not read."""

import csv
import gzip
import json
import shutil
import zipfile

import pytest

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError

# Neighbours of structures in ordinary folders, of which none is read.
NOTED = [
    "NaCl_POSCAR",
    "SPOSCAR",
    "calc/in.lmp",
    "calc/scf.in",
    "calc/scf.out.gz",
    "calc/seed.castep",
    "calc/slurm-1.out",
    "calc/y.abi",
    "pseudo.tgz",
    "x.cif.txt",
]
OTHERS = [
    *("README", "README.md", "notes.txt", "picture.png", "run.log", "make.py"),
    *("make_poscar.py", "a.fcf", "a.cif~", "Cs.UPF", "data.pkl", "config.cfg"),
    *("vasp/INCAR", "vasp/CHGCAR", "vasp/vasp.out", "vasp/PARCHG.0001.tgz"),
    *("aims/control.in", "aims/aims.out"),
]
AIMS = """lattice_vector 4 0 0
lattice_vector 0 4 0
lattice_vector 0 0 4
atom_frac 0 0 0 Cs
atom_frac .5 .5 .5 Cl
"""


def _files(structures):
    return {
        "a.cif": structures["MgO"].to(fmt="cif"),
        "vasp/POSCAR": structures["MgO"].to(fmt="poscar"),
        "aims/geometry.in": AIMS,
    }


@pytest.fixture(params=["folder", "zip"])
def make_place(request, tmp_path):
    def make(files):
        folder = tmp_path / "in"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        if request.param == "folder":
            return folder
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for name in files:
                archive.write(folder / name, name)
        shutil.rmtree(folder)
        return tmp_path / "in.zip"

    return make


def test_files_whose_names_may_be_those_of_structures_are_one_note(
    make_place, structures
):
    text = structures["MgO"].to(fmt="cif")
    source = open_source(make_place(_files(structures) | dict.fromkeys(NOTED, text)))
    assert [record.id for record in source] == ["a", "aims/geometry.in", "vasp/POSCAR"]
    assert source.count == 3
    assert source.notes == [
        f"{len(NOTED)} files that may hold structures are not read: NaCl_POSCAR,"
        " SPOSCAR, calc/in.lmp and 7 more; rename a structure, for example to"
        " NaCl.vasp, or give its path alone, which says what is wrong"
    ]


@pytest.mark.parametrize("name", NOTED)
def test_each_of_them_is_named(make_place, structures, name):
    (note,) = open_source(make_place(_files(structures) | {name: ""})).notes
    assert note.startswith(f"1 file that may hold structures is not read: {name}; ")


def test_other_files_and_records_of_runs_are_passed_over(make_place, structures):
    files = _files(structures) | dict.fromkeys(OTHERS, "_cell_length_a 4\n")
    source = open_source(make_place(files))
    assert [record.id for record in source] == ["a", "aims/geometry.in", "vasp/POSCAR"]
    assert source.notes == []


def test_contents_of_files_that_are_not_read_change_nothing(tmp_path, structures):
    for name, text in {**_files(structures), "scf.out": "1"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    before = open_source(tmp_path).digest()
    (tmp_path / "scf.out").write_text("2")
    assert open_source(tmp_path).digest() == before


def test_with_targets_they_are_no_failures(make_place, structures):
    files = {"a.cif": structures["MgO"].to(fmt="cif"), "t.csv": "id,gap\na,7.8\n"}
    source = open_source(make_place(files | dict.fromkeys(NOTED, "")), ["gap"])
    assert [record.targets for record in source] == [{"gap": 7.8}]
    (note,) = source.notes
    assert note.startswith("10 files that may hold structures are not read: NaCl_")


def test_they_are_told_where_nothing_is_read(make_place):
    place = make_place({"scf.out": "", "NaCl_POSCAR": ""})
    message = (
        r"no structure files \(such as .cif or POSCAR\) and no table; 2 files that may"
        r" hold structures are not read: NaCl_POSCAR, scf\.out; rename a structure, "
    )
    with pytest.raises(DataError, match=message):
        open_source(place)


def _table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def test_tables_that_hold_structures_are_read_beside_files(tmp_path, structures):
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    texts = {name: structure.to(fmt="cif") for name, structure in structures.items()}
    (folder / "NaCl.cif").write_text(texts["NaCl"])
    _table(folder / "gaps.csv", [["id", "gap [eV]"], ["NaCl", 8.5]])
    rows = [["id", "cif"], ["NaCl", texts["NaCl"]], ["MgO", texts["MgO"]]]
    _table(folder / "cells.csv", rows)
    fluoride = {"id": "LiF", "structure": structures["LiF"].as_dict()}
    (folder / "below" / "more.json").write_text(json.dumps([fluoride]))
    (folder / "below" / "torn.jsonl").write_text(json.dumps(fluoride)[:-9])
    shutil.make_archive(str(folder), "zip", folder)
    for place in (folder, tmp_path / "in.zip"):
        source = open_source(place)
        records = [item for item in source if isinstance(item, Record)]
        assert {r.id: r.structure.composition.reduced_formula for r in records} == {
            "NaCl": "NaCl",
            "MgO": "MgO",
            "LiF": "LiF",
        }
        assert [item.id for item in source] == ["NaCl", "LiF", "MgO"]
        assert source.count is None
        row, file = source.notes
        assert row == "1 row of cells.csv has the name of a file and is not read"
        assert file.startswith(
            "1 file that may hold structures is not read: below/torn"
        )


def test_rows_with_names_of_files_in_their_folder_alone_are_not_read(
    tmp_path, structures
):
    """Whatever the file is, so that no crystal is read twice or lost unseen."""
    texts = {name: structure.to(fmt="cif") for name, structure in structures.items()}
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "LiF.cif").write_text(texts["LiF"])
    (tmp_path / "NaCl.cif").write_text(texts["NaCl"])
    (tmp_path / "MgO.cif").write_text("")
    rows = [{"id": name, "cif": text} for name, text in texts.items()]
    (tmp_path / "cells.json").write_text(json.dumps(rows))
    source = open_source(tmp_path)
    assert [item.id for item in source] == ["MgO", "NaCl", "below/LiF", "LiF"]
    assert source.notes == [
        "2 rows of cells.json have the names of files and are not read"
    ]


@pytest.mark.parametrize("column", ["atoms", "structure"])
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.csv"])
def test_dictionaries_that_are_no_structures_are_none(
    tmp_path, structures, column, name
):
    structures["NaCl"].to(str(tmp_path / "NaCl.cif"))
    counts = {"Na": 4, "Cl": 4}
    if name == "t.csv":
        _table(tmp_path / name, [["id", column], ["NaCl", json.dumps(counts)]])
    else:
        row = json.dumps({"id": "NaCl", column: counts})
        (tmp_path / name).write_text(f"[{row}]" if name == "t.json" else row)
    source = open_source(tmp_path)
    assert [type(item) for item in source] == [Record]
    assert source.notes == []


def test_dictionaries_of_jarvis_and_entries_are_structures(tmp_path, structures):
    structures["NaCl"].to(str(tmp_path / "NaCl.cif"))
    cell = structures["MgO"]
    jarvis = {
        "lattice_mat": cell.lattice.matrix.tolist(),
        "elements": [site.specie.symbol for site in cell],
        "coords": cell.frac_coords.tolist(),
        "cartesian": False,
    }
    entry = {"structure": structures["LiF"].as_dict(), "energy": -3.5}
    rows = [{"id": "a", "atoms": jarvis}, {"id": "b", "structure": entry}]
    for number, row in enumerate(rows):
        (tmp_path / f"t{number}.json").write_text(json.dumps([row]))
    formulas = [r.structure.composition.reduced_formula for r in open_source(tmp_path)]
    assert formulas == ["NaCl", "MgO", "LiF"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "# Zelle\nid,CIF,ort\na,data_x,Z\xfcrich\n".encode("latin-1")),
        ("t.csv.gz", gzip.compress("id;atoms\nZ\xfc;x\n".encode("latin-1"))),
        ("t.tsv", "id\tstructure\na\tx\n".encode("utf-16")),
        ("t.json", b'[{"id": "a", "structure": {"lattice": [[4, 0'),
        ("t.jsonl", b'{"id": "a", "cif": "data_x'),
        ("t.xlsx", b"PK\x03\x04"),
    ],
)
def test_table_of_structures_that_cannot_be_read_is_told(
    make_place, structures, name, content
):
    place = make_place({"a.cif": structures["NaCl"].to(fmt="cif"), name: content})
    source = open_source(place)
    assert [type(item) for item in source] == [Record]
    (note,) = source.notes
    assert note.startswith(f"1 file that may hold structures is not read: {name}; ")


@pytest.mark.parametrize("text", ["id,gap\nZ\xfcrich,1\n", "", "{"])
@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_other_tables_that_cannot_be_read_are_not_told(
    make_place, structures, name, text
):
    files = {"a.cif": structures["NaCl"].to(fmt="cif"), name: text.encode("latin-1")}
    assert open_source(make_place(files)).notes == []


def test_table_below_another_is_read_or_told(tmp_path, structures):
    (tmp_path / "below").mkdir()
    rows = {name: [name, s.to(fmt="cif"), 1] for name, s in structures.items()}
    heads = ["id", "cif", "gap"]
    _table(tmp_path / "t.csv", [heads, rows["NaCl"]])
    _table(tmp_path / "below" / "u.csv", [heads, rows["MgO"], rows["LiF"]])
    assert [record.id for record in open_source(tmp_path)] == ["NaCl", "MgO", "LiF"]
    source = open_source(tmp_path, ["gap"])
    assert [record.id for record in source] == ["NaCl"]
    assert list(source.notes) == [
        "below/u.csv is not read, since t.csv is the table; remove one of them"
    ]


def test_table_damaged_below_its_first_rows_is_a_failure(tmp_path, structures):
    structures["NaCl"].to(str(tmp_path / "NaCl.cif"))
    text = structures["MgO"].to(fmt="cif").replace('"', '""')
    rows = "".join(f'MgO-{k},"{text}"\n' for k in range(30))
    (tmp_path / "cells.csv").write_text(f'id,cif\n{rows}LiF,"data_\n\n')
    record, failure = open_source(tmp_path)
    assert record.id == "NaCl"
    assert isinstance(failure, Failure)
    assert "a quote in line " in failure.reason
    assert failure.remedy == "repair the table or remove it"
