"""Structure files and tables made to harm, through the commands that read them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import ase.db
import pytest
import yaml
from ase import Atoms
from ase.io import write

MODULE = "planted_by_a_file"
PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
SITES = [("Cs", [0.0, 0.0, 0.0]), ("Cl", [0.5, 0.5, 0.5])]
NAMED = {"@module": MODULE, "@class": "Planted", "@version": "1"}


def dictionary():
    """Return CsCl as pymatgen writes it, naming the module wherever it can."""
    return NAMED | {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "properties": {"p": NAMED},
        "lattice": {"matrix": [[4.123, 0, 0], [0, 4.123, 0], [0, 0, 4.123]]},
        "sites": [
            {
                "species": [{"element": element, "occu": 1}],
                "abc": place,
                "properties": {"p": NAMED, "q": [NAMED]},
            }
            for element, place in SITES
        ],
    }


def texts():
    """Return the text of a file of each format that can name a module."""
    values = dictionary()
    return {
        ".json": json.dumps(values),
        ".mson": json.dumps(values),
        ".yaml": yaml.safe_dump(json.loads(json.dumps(values))),
        ".yml": json.dumps(values),
    }


@pytest.fixture
def hostile(tmp_path, planted):  # noqa: ARG001
    """A file of each kind and compression, alone, zipped, and named by a table."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for ending, text in texts().items():
        for packing, pack in PACK.items():
            name = f"{ending[1:]}{packing.replace('.', '-')}{ending}{packing}"
            (folder / name).write_bytes(pack(text.encode()))
    atoms = Atoms("CsCl", [[0] * 3, [2.06] * 3], cell=[4.123] * 3, pbc=True)
    write(folder / "frames.traj", atoms)
    with ase.db.connect(folder / "base.db") as base:
        base.write(atoms, data={"__ase_objtype__": MODULE}, key_value_pairs={"a": "b"})
    rows = [f"%BLOCK LATTICE_ABC\n{'4.123 ' * 3}\n90 90 90\n%ENDBLOCK LATTICE_ABC"]
    rows += ["%BLOCK POSITIONS_FRAC", *(f"{s} {x} {x} {x}" for s, (x, *_) in SITES)]
    (folder / "a.cell").write_text("\n".join([*rows, "%ENDBLOCK POSITIONS_FRAC\n"]))
    return folder


def test_nothing_that_a_file_names_is_imported_or_started(hostile, planted, predict):
    files = sorted(hostile.iterdir())
    predicted = predict(*files)
    assert len(predicted.ids) == len(files)
    assert predicted.reasons == {}
    assert not planted.exists()


def test_nothing_in_an_archive_is_imported(hostile, planted, predict, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in hostile.iterdir():
            archive.write(path, path.name)
    predicted = predict(tmp_path / "a.zip")
    assert len(predicted.ids) == len(list(hostile.iterdir()))
    assert predicted.reasons == {}
    assert not planted.exists()


def test_nothing_that_a_table_holds_is_imported(hostile, planted, predict):
    names = sorted(path.name for path in hostile.iterdir())
    single = [name for name in names if not name.endswith((".traj", ".db"))]
    rows = [f"{name},{name}" for name in single]
    (hostile / "paths.csv").write_text("\n".join(["id,file", *rows]))
    cells = io.StringIO()
    for number, text in enumerate(texts().values()):
        cell = text.replace('"', '""')
        cells.write(f'cell{number},"{cell}"\n')
    lines = [json.dumps({"id": "row", "structure": dictionary()} | NAMED)]
    (hostile / "cells.csv").write_text(f"id,structure\n{cells.getvalue()}")
    for packing, pack in PACK.items():
        table = hostile / f"lines{packing[1:]}.jsonl{packing}"
        table.write_bytes(pack("\n".join(lines).encode()))
    tables = [hostile / "paths.csv", hostile / "cells.csv", *hostile.glob("lines*")]
    predicted = predict(*tables)
    assert {*single, "cell0", "cell1", "cell3", "row"} <= predicted.ids
    assert not planted.exists()


def test_no_command_imports_what_a_file_names(hostile, planted, sitenet, tmp_path):
    for path in hostile.iterdir():
        assert sitenet("info", path).exit_code == 0, path
    prepared = tmp_path / "prepared"
    assert sitenet("prepare", hostile, "-o", prepared, "--workers", 1).exit_code == 0
    assert not planted.exists()


@pytest.mark.slow
def test_no_slow_command_imports_either(hostile, planted, sitenet, tmp_path):
    rows = [f"{path.name},{k}" for k, path in enumerate(hostile.glob("*on*"))] * 2
    (hostile / "t.csv").write_text("\n".join(["file,gap", *rows]))
    table = hostile / "t.csv"
    ended = [
        sitenet("train", table, "-t", "gap", "-o", tmp_path / "run", "--workers", 1),
        sitenet("analyze", "band-gap", hostile, "-o", tmp_path / "a", "--workers", 1),
        sitenet("embed", "band-gap", hostile, "-o", tmp_path / "v.npz"),
        sitenet("evaluate", "band-gap", table),
    ]
    assert {done.exit_code for done in ended} <= {0, 1}
    assert not planted.exists()


@pytest.mark.parametrize(
    "tag", ["python/object/apply:{}.Planted []", "python/module:{}", "python/name:{}.P"]
)
def test_yaml_tags_make_no_objects(tmp_path, planted, refused, tag):
    (tmp_path / "a.yaml").write_text(f"lattice: !!{tag.format(MODULE)}")
    assert not planted.exists()
    assert "ConstructorError" in refused("info", tmp_path / "a.yaml")
    line = refused("prepare", "dielectric", "-o", tmp_path, "--config",
                   tmp_path / "a.yaml")  # fmt: skip
    assert "could not determine a constructor" in line


ODD = {
    "a.csv": 'id,structure\n1,"{""a"": ' + "[" * 100_000 + '"\n',
    "a.jsonl": "[" * 100_000,
    "a.json": "[" * 100_000,
    "b.json": '{"index": 1, "columns": 2, "data": [[1]]}',
    "b.jsonl": '{"x-optimade": 1, "properties": [1]}',
    "c.json": '[{"structure": {"lattice": 1, "sites": {}}}]',
    "d.json": '[{"attributes": {"lattice_vectors": "x", "species": 1}}]',
    "e.json": '{"structure": {"1": 1}, "id": {"1": {"a": 2}}}',
    "f.json": '[{"structure": ' + "9" * 5000 + "}]",
    "g.jsonl": '{"id": {"a": [1]}, "structure": [[1], 2], "unit": {}}',
    "h.csv": "id,id\n1,2\n",
    "i.csv": "\ufeff\n\n",
    "j.csv": '"' * 99_999,
}


def test_odd_tables_are_failures_beside_a_good_file(tmp_path, good, predict):
    for name, text in ODD.items():
        (tmp_path / name).write_text(text)
    predicted = predict(good, *map(tmp_path.joinpath, ODD))
    assert predicted.ids == {"good"}
    failed = {Path(origin.partition(", row")[0]).name for origin in predicted.reasons}
    assert failed == {*ODD} - {"b.jsonl", "j.csv"}  # without rows: nothing to say
