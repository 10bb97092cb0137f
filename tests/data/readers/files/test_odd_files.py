"""Folders and archives pass no structure over in silence, whatever its file's name."""

import csv
import json
import shutil
import zipfile

import pytest

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source

PWI = """&SYSTEM
ibrav=0, nat=2, ntyp=2
/
ATOMIC_SPECIES
Cs 1 a
Cl 1 b
CELL_PARAMETERS angstrom
4.123 0 0
0 4.123 0
0 0 4.123
ATOMIC_POSITIONS crystal
Cs 0 0 0
Cl .5 .5 .5
"""
LMP = "salt\n\n2 atoms\n2 atom types\n0 4.123 xlo xhi\n0 4.123 ylo yhi\n0 4 zlo zhi\n"
DUMP = "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 4\n"
AIMS = "  | lattice_vector  4.123 0 0\n"
OTHERS = {
    "README": "data_x\n_cell_length_a 4\n",
    "README.md": PWI,
    "notes.txt": "The cells were taken from the paper, see _cell_length_a there.\n",
    "picture.png": "\x89PNG",
    "run.log": PWI,
    "make.py": f'"""{PWI}"""\n',
    "control.in": "xc pbe\n",
    "INCAR": "ENCUT = 520\n",
    "dos.dat": "0.0 1.0 2.0\n" * 9,
    "counts.txt": "1 2 3\n" * 9,
    "other.csv": "id,gap\nx,1\n",
    "empty": "",
}


def _files(structures):
    cif, poscar = (structures["MgO"].to(fmt=kind) for kind in ("cif", "poscar"))
    return {
        "a.cif": cif,
        "MgO_POSCAR": poscar,
        "b.cif.txt": cif,
        "mp-1265": cif,
        "run.in": PWI,
        "run.out": "     crystal axes: (cart. coord. in units of alat)\n",
        "x.lmp": LMP,
        "y.abi": "acell 3*7.79\n",
        "dump.0": DUMP,
        "crystals.tar": "x",
        "salt.frames": f'2\nLattice="4 0 0 0 4 0 0 0 4"\n{DUMP}',
    }


@pytest.fixture(params=["folder", "zip"])
def make_place(request, tmp_path):
    def make(files):
        folder = tmp_path / "in"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if request.param == "folder":
            return folder
        with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
            for name in files:
                archive.write(folder / name, name)
        shutil.rmtree(folder)
        return tmp_path / "in.zip"

    return make


def test_structures_under_odd_names_are_listed_and_nothing_else(make_place, structures):
    files = _files(structures)
    place = make_place(files | OTHERS)
    (record, *failures) = open_source(place)
    assert (record.id, record.structure.formula) == ("a", "Mg4 O4")
    reasons = {failure.id: failure.reason for failure in failures}
    assert set(reasons) == {name.removesuffix(".cif") for name in files} - {"a"}
    for name in ("MgO_POSCAR", "b.cif.txt", "mp-1265", "dump.0", "salt.frames"):
        assert "its name tells no format that is read (CIF, POSCAR, " in reasons[name]
    for name in ("run.in", "run.out", "x.lmp", "y.abi"):
        kind = name.partition(".")[2]
        assert f"{name}: .{kind} is not a format that is read: " in reasons[name]
    assert "crystals.tar: is compressed or packed" in reasons["crystals.tar"]
    assert all(failure.remedy for failure in failures)


def test_records_of_a_run_beside_its_structure_are_passed_over(make_place, structures):
    poscar = structures["MgO"].to(fmt="poscar")
    vectors = "".join(f"lattice_vector {row}\n" for row in ("4 0 0", "0 4 0", "0 0 4"))
    place = make_place(
        {
            "vasp/POSCAR": poscar,
            "vasp/CHGCAR": poscar,
            "vasp/PARCHG.0001": poscar,
            "aims/geometry.in": f"{vectors}atom_frac 0 0 0 Cs\natom_frac .5 .5 .5 Cl\n",
            "aims/aims.out": AIMS,
            "alone/CHGCAR": poscar,
        }
    )
    *records, failure = open_source(place)
    assert [record.id for record in records] == ["aims/geometry.in", "vasp/POSCAR"]
    assert failure.id == "alone/CHGCAR"
    assert "CHGCAR of VASP is not a format that is read" in failure.reason


def test_table_says_which_of_the_odd_files_are_meant(make_place, structures):
    files = _files(structures) | OTHERS
    del files["a.cif"], files["other.csv"]
    place = make_place({**files, "t.csv": "file,gap\nb.cif.txt,7.8\n"})
    named, *others = open_source(place, ["gap"])
    assert "no structure file for 'b.cif.txt'" in named.reason or (
        "b.cif.txt: its name tells no format" in named.reason
    )
    assert {failure.reason for failure in others} == {"no row for this file in t.csv"}


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
