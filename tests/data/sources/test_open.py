import csv
import pickle
import shutil

import ase.io
import pytest
from pymatgen.io.ase import AseAtomsAdaptor

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.errors import DataError


def test_bundled_data_are_a_source():
    source = open_source("dielectric", ["refractive_index", "band_gap"])
    record = next(iter(source))
    assert isinstance(record, Record)
    assert record.id == "mp-441"
    assert list(record.targets.items()) == [
        ("refractive_index", 1.86),
        ("band_gap", 1.88),
    ]
    assert source.units == {"band_gap": "eV", "refractive_index": ""}


def test_unknown_target_names_those_there_are():
    with pytest.raises(
        DataError, match=r"did you mean 'band_gap'\? \(available: band_gap, refr"
    ):
        open_source("dielectric", "gap")


def test_missing_source_names_the_bundled_data():
    with pytest.raises(
        DataError, match=r"no such file .* bundled data set \(band_gaps, diel"
    ):
        open_source("dielectrics")


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.pckl"])
def test_pickles_are_never_opened(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"structure": 1}))
    with pytest.raises(DataError, match="pickled files are not read"):
        open_source(tmp_path / name)


def test_several_sources_are_one(folder):
    source = open_source([folder / "MgO.cif", folder / "NaCl.cif", "dielectric"])
    ids = [record.id for _, record in zip(range(3), source, strict=False)]
    assert ids == ["MgO", "NaCl", "mp-441"]


def test_same_names_from_several_sources_are_told_apart(folder, structures):
    for run in ("a", "b"):
        (folder / run).mkdir()
        structures["MgO"].to(str(folder / run / "POSCAR"), fmt="poscar")
    paths = [folder / "a" / "POSCAR", folder / "b" / "POSCAR"]
    assert [r.id for r in open_source(paths)] == ["POSCAR", str(paths[1])]


def test_missing_file_among_several_is_one_failure(folder):
    first, failure, last = open_source(
        [folder / "MgO.cif", folder / "none.cif", folder / "NaCl.cif"]
    )
    assert isinstance(failure, Failure)
    assert "no such file" in failure.reason
    assert (first.id, last.id) == ("MgO", "NaCl")


def test_several_tables_of_unlike_units_are_refused(folder):
    (folder / "more.csv").write_text("id,gap [GPa]\nMgO,7800\n")
    with pytest.raises(DataError, match="'gap' is in 'GPa', asked for in 'eV'"):
        open_source([folder / "gaps.csv", folder / "more.csv"], ["gap"])


def test_same_id_in_several_tables_is_a_failure(folder):
    shutil.copy(folder / "gaps.csv", folder / "more.csv")
    result = list(open_source([folder / "gaps.csv", folder / "more.csv"], ["gap"]))
    assert [type(item) for item in result] == [Record] * 3 + [Failure] * 3


def test_no_source_is_an_error(cscl):
    for structures in (cscl, [cscl]):
        with pytest.raises(DataError, match=r"got Structure; .* Predictor\.predict"):
            open_source(structures)
    with pytest.raises(DataError, match="no input"):
        open_source([])


def test_entries_are_read_only_when_asked(folder):
    (folder / "MgO.cif").write_text("")
    entries = list(open_source(folder).entries())
    assert all(isinstance(entry, Entry) for entry in entries)
    assert isinstance(entries[1].read(), Failure)
    assert pickle.loads(pickle.dumps(entries[0])).read().id == "LiF"


@pytest.mark.parametrize("ending", [".xlsm", ".xls", ".ods"])
def test_spreadsheet_is_named(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"a spreadsheet, .*; save its sheet as CSV"):
        open_source(path, ["gap"])


def test_structures_as_python_prints_them_are_read_or_named(tmp_path, nacl):
    path = tmp_path / "t.csv"
    rows = [["structure", "gap"], [nacl.as_dict(), 8.5], [nacl, 8.5]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    record, failure = open_source(path, ["gap"])
    assert record.targets == {"gap": 8.5}
    assert len(record.structure) == 8
    assert "printed form of a pymatgen structure" in failure.reason
    assert "to_json" in failure.remedy


def test_target_that_is_named_twice_is_refused():
    with pytest.raises(DataError, match="target 'band_gap' is named 2 times; name it"):
        open_source("dielectric", ["band_gap", "refractive_index", "band_gap"])


def test_pattern_that_matches_nothing_is_told_as_such(tmp_path):
    with pytest.raises(DataError, match=r"\*\.cif: no file matches; name the folder"):
        open_source(tmp_path / "*.cif")


def test_frames_of_files_of_one_name_stay_trajectories(tmp_path, structures):
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        frames = [AseAtomsAdaptor.get_atoms(structures["MgO"])] * 2
        ase.io.write(tmp_path / run / "XDATCAR", frames, format="vasp-xdatcar")
    paths = [tmp_path / "a" / "XDATCAR", tmp_path / "b" / "XDATCAR"]
    ids = [record.id for record in open_source(paths)]
    assert ids == ["XDATCAR@0", "XDATCAR@1", f"{paths[1]}@0", f"{paths[1]}@1"]
