import gzip
import hashlib
import json

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH, find_task
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError

# Of the ids of the official folds (matbench 0.6): those of a fold joined by blanks,
# folds by ends of lines.
OFFICIAL_FOLDS = {
    "matbench_dielectric": "10c567ed6262b5236096de6e82ffa3d7",
    "matbench_jdft2d": "7063af3ad22dd7232a874fe790dab4d4",
    "matbench_log_gvrh": "d6fb83ee2973211dad295900e05e9759",
    "matbench_log_kvrh": "3aa5f59fecb9cf0b6e3ba4fa1a35eaba",
    "matbench_mp_e_form": "b67d3a9501de77bd0fccbcc18599b335",
    "matbench_mp_gap": "8f58dd7b8ab755e41c060f19becd9511",
    "matbench_perovskites": "7eab03a59ade313812533c5a6c414216",
    "matbench_phonons": "2de0f189fe89e61bc57a5f5b279e23ff",
}
JDFT2D = MATBENCH["matbench_jdft2d"]


@pytest.fixture(scope="module")
def structures():
    lengths = np.linspace(3.5, 4.5, JDFT2D.num_crystals)
    sites = [[0, 0, 0], [0.5, 0.5, 0.5]]
    return [Structure(Lattice.cubic(a), ["Cs", "Cl"], sites) for a in lengths]


def _official(path, structures, **changes):
    """Write a file as matminer does."""
    document = {
        "index": list(range(len(structures))),
        "columns": ["structure", "exfoliation_en"],
        "data": [[item.as_dict(), 0.5 * k] for k, item in enumerate(structures)],
    }
    path.write_bytes(gzip.compress(json.dumps(document | changes).encode(), 1))
    return path


def _lines(path, structures):
    """Write JSON lines with plain structures."""
    with gzip.open(path, "wt") as file:
        for k, result in enumerate(structures):
            structure = {
                "lattice": result.lattice.matrix.tolist(),
                "species": [site.specie.symbol for site in result],
                "frac_coords": result.frac_coords.tolist(),
            }
            row = {"id": JDFT2D.id_of_row(k), "structure": structure}
            file.write(json.dumps(row | {"target": 0.5 * k, "unit": "meV"}) + "\n")
    return path


@pytest.mark.parametrize("name", OFFICIAL_FOLDS)
def test_folds_are_the_official_ones(name):
    task = MATBENCH[name]
    folds = task.folds(np.zeros(task.num_crystals))
    ids = "\n".join(" ".join(map(task.id_of_row, test)) for _, test in folds)
    assert hashlib.sha256(ids.encode()).hexdigest()[:32] == OFFICIAL_FOLDS[name]


def test_known_ids_of_the_first_phonon_fold():
    task = MATBENCH["matbench_phonons"]
    train, test = task.folds(np.zeros(1265))[0]
    assert [task.id_of_row(row) for row in test[:4]] == [
        "mb-phonons-0002",
        "mb-phonons-0003",
        "mb-phonons-0007",
        "mb-phonons-0010",
    ]
    assert (len(train), len(test)) == (1012, 253)


def test_folds_of_classes_keep_their_shares():
    task = MATBENCH["matbench_mp_is_metal"]
    y = np.arange(task.num_crystals) % 4 == 0
    shares = [y[test].mean() for _, test in task.folds(y)]
    assert shares == pytest.approx([y.mean()] * 5, abs=1e-4)


def test_folds_need_every_row():
    with pytest.raises(DataError, match="has 636 crystals, got 3; the folds need"):
        JDFT2D.folds([1.0, 2.0, 3.0])


def test_every_structure_task_has_its_checksum_and_unit():
    assert len(MATBENCH) == 9
    assert {len(task.sha256) for task in MATBENCH.values()} == {64}
    assert find_task("phonons").unit == "cm^-1"
    with pytest.raises(
        DataError, match=r"steels: no structure task of Matbench .there"
    ):
        find_task("steels")


@pytest.mark.parametrize("write", [_official, _lines])
def test_both_layouts_have_official_ids_target_and_unit(tmp_path, structures, write):
    path = write(tmp_path / "any name.json.gz", structures)
    if write is _lines:
        path = path.rename(tmp_path / "any name.jsonl.gz")
    source = open_source(f"matbench_jdft2d:{path}", ["exfoliation_en"])
    assert source.units == {"exfoliation_en": "meV/atom"}
    assert source.count == 636
    records = list(source)
    assert all(isinstance(record, Record) for record in records)
    assert [record.id for record in records[:2]] == ["mb-jdft2d-001", "mb-jdft2d-002"]
    assert records[-1].targets == {"exfoliation_en": 317.5}
    assert records[-1].structure.volume == pytest.approx(4.5**3)


def test_file_with_rows_missing_is_refused(tmp_path, structures):
    path = _official(tmp_path / "f.json.gz", structures[:600])
    with pytest.raises(DataError, match="it has 600 crystals, expected 636"):
        open_source(f"matbench_jdft2d:{path}")


def test_file_of_another_task_is_refused(tmp_path, structures):
    path = _official(tmp_path / "f.json.gz", structures, columns=["structure", "n"])
    with pytest.raises(
        DataError, match="no column 'exfoliation_en' beside 'structure'"
    ):
        open_source(f"matbench_jdft2d:{path}")


def test_rows_out_of_order_are_failures(tmp_path, structures):
    path = _lines(tmp_path / "f.jsonl.gz", structures)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    path.write_bytes(gzip.compress(b"".join(lines)))
    failures = list(open_source(f"matbench_jdft2d:{path}").entries())[3:5]
    assert failures[0].reason == (
        "is mb-jdft2d-005 where mb-jdft2d-004 stands in the official order"
    )


def test_missing_file_is_named(tmp_path):
    with pytest.raises(
        DataError, match=r"none\.json: no such file for matbench_jdft2d"
    ):
        open_source(f"matbench_jdft2d:{tmp_path / 'none.json'}")
