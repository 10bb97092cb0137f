"""Files made to harm: they start nothing, and cost their own crystal at most."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sqlite3
import struct
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import ase.db
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.io import write

from pyg_sitenet.data.readers.content import Text, read_content
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure.formats import FORMATS
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import DataError, StructureError

PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
MODULE = "planted_by_a_file"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Put a module where it can be imported; it leaves a file if it is."""
    folder, marker = tmp_path / "modules", tmp_path / "imported"
    folder.mkdir()
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
    (folder / f"{MODULE}.py").write_text(code + "class Planted:\n    pass\n")
    monkeypatch.syspath_prepend(folder)
    yield marker
    assert MODULE not in sys.modules
    assert not marker.exists()


def hostile(structure):
    """Return a dictionary that names the module wherever it can name one."""
    named = {"@module": MODULE, "@class": "Planted", "@version": "1"}
    values = structure.as_dict()
    values["properties"] = {"p": named}
    for site in values["sites"]:
        site["properties"] = {"p": named, "q": [named]}
    return values


def text_of(values, ending):
    if ending in (".yaml", ".yml"):
        return yaml.safe_dump(json.loads(json.dumps(values)))
    return json.dumps(values)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("ending", [".json", ".mson", ".yaml", ".yml"])
def test_no_dictionary_imports_what_it_names(tmp_path, planted, cscl, ending, packing):
    content = PACK[packing](text_of(hostile(cscl), ending).encode())
    path = tmp_path / f"a{ending}{packing}"
    path.write_bytes(content)
    assert load_structure(path).composition.reduced_formula == "CsCl"
    (record,) = open_source(path)
    assert isinstance(record, Record)
    read = read_content(Text(content, path.name), "a row")
    assert read.composition.reduced_formula == "CsCl"
    (tmp_path / "t.csv").write_text(f"file\n{path.name}\n")
    assert [type(row) for row in open_source(tmp_path / "t.csv")] == [Record]
    assert not planted.exists()


@pytest.mark.parametrize("packing", PACK)
def test_no_table_imports_what_it_names(tmp_path, planted, cscl, packing):
    row = json.dumps({"id": "a", "structure": hostile(cscl), "@module": MODULE})
    path = tmp_path / f"t.jsonl{packing}"
    path.write_bytes(PACK[packing](row.encode()))
    assert [type(record) for record in open_source(path)] == [Record]
    assert not planted.exists()


@pytest.mark.parametrize(
    "text",
    [
        f"!!python/object/apply:{MODULE}.Planted []",
        f"!!python/module:{MODULE}",
        f"lattice: !!python/name:{MODULE}.Planted",
    ],
)
def test_yaml_makes_no_objects(tmp_path, planted, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(StructureError, match="ConstructorError"):
        load_structure(path)
    assert not planted.exists()


def test_a_trajectory_and_a_database_make_no_objects(tmp_path, planted):
    atoms = Atoms("CsCl", [[0] * 3, [2.06] * 3], cell=[4.123] * 3, pbc=True)
    atoms.info["p"] = {"@module": MODULE, "@class": "Planted"}
    write(tmp_path / "a.traj", atoms)
    content = (tmp_path / "a.traj").read_bytes()
    (tmp_path / "a.traj").write_bytes(content.replace(b"@module", b"__ase_o"))
    with ase.db.connect(tmp_path / "a.db") as base:
        base.write(atoms, data={"__ase_objtype__": MODULE})
    for name in ("a.traj", "a.db"):
        assert [type(record) for record in open_source(tmp_path / name)] == [Record]
    assert not planted.exists()


def test_a_cell_file_starts_no_program(tmp_path, monkeypatch):
    program, marker = tmp_path / "bin" / "castep", tmp_path / "ran"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CASTEP_COMMAND", str(program))
    path = tmp_path / "a.cell"
    path.write_text(
        "%BLOCK LATTICE_ABC\n4 4 4\n90 90 90\n%ENDBLOCK LATTICE_ABC\n"
        "%BLOCK POSITIONS_FRAC\nCs 0 0 0\n%ENDBLOCK POSITIONS_FRAC\n"
    )
    assert len(load_structure(path)) == 1
    assert [type(record) for record in open_source(path)] == [Record]
    assert not marker.exists()


TEXT_ENDINGS = [
    ending for entry in FORMATS if not entry.is_binary for ending in entry.endings
]


@pytest.mark.parametrize("packing", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("ending", TEXT_ENDINGS)
def test_bomb_is_a_failure_within_small_memory(
    tmp_path, monkeypatch, cscl, ending, packing
):
    monkeypatch.setattr(
        "pyg_sitenet.data.structure.compression.UNSUSPICIOUS_BYTES", 100_000
    )
    folder = tmp_path / "in"
    folder.mkdir()
    cscl.to(str(folder / "good.cif"))
    (folder / f"bomb{ending}{packing}").write_bytes(_bomb(packing))
    tracemalloc.start()
    with pytest.raises(StructureError, match=r"unpacks to more|more text|damaged"):
        load_structure(folder / f"bomb{ending}{packing}")
    items = list(open_source([folder / "good.cif", folder / f"bomb{ending}{packing}"]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(item) for item in items] == [Record, Failure]
    assert peak < 60e6


_BOMBS: dict[str, bytes] = {}


def _bomb(packing: str) -> bytes:
    """Return 4 MB of lines that shrink to some kB."""
    if packing not in _BOMBS:
        _BOMBS[packing] = PACK[packing](b"1 0 0 0\n" * 300_000)
    return _BOMBS[packing]


def test_one_line_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("pyg_sitenet.data.structure.text.MAX_VALUE_BYTES", 3_000_000)
    (tmp_path / "a.cif").write_bytes(b"data_a\n" + b"x" * 6_000_000)
    with pytest.raises(StructureError, match=r"line 2 is longer than 3000000 bytes"):
        load_structure(tmp_path / "a.cif")


def test_one_block_of_a_cif_has_a_bound(tmp_path, monkeypatch, cscl):
    monkeypatch.setattr("pyg_sitenet.data.structure.text.MAX_TEXT_LINES", 50)
    block = cscl.to(fmt="cif")
    (tmp_path / "a.cif").write_text(block.replace("CsCl", "a") * 9)
    assert len(list(open_source(tmp_path / "a.cif"))) == 9
    (tmp_path / "b.cif").write_text(block + "# more\n" * 60)
    with pytest.raises(StructureError, match="more text than one structure can need"):
        load_structure(tmp_path / "b.cif")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "beyond what a structure needs"),
        ("a: " + "{b: " * 5000, "beyond what a structure needs"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
                for before, name in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "beyond what a structure needs",
        ),
        ("a: &a [*a]", "beyond what a structure needs"),
        ("a: " + "9" * 5000, "a number has at most 100 digits"),
        ("- 1\n- 2", "not the JSON or YAML of one structure"),
    ],
)
def test_hostile_yaml_is_a_reason(tmp_path, text, message):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(StructureError, match=message):
        load_structure(path)


@pytest.mark.parametrize("name", ["a.json", "a.mson"])
def test_deep_json_is_a_reason(tmp_path, name):
    (tmp_path / name).write_text("[" * 100_000)
    with pytest.raises(StructureError, match="RecursionError"):
        load_structure(tmp_path / name)


@pytest.mark.parametrize(
    "columns", ["x:R:999999999", "x:R:9999:" * 9 + "x:R:9999", "x:R: +9_999_999"]
)
def test_columns_of_a_frame_have_a_bound(tmp_path, columns):
    comment = f'Lattice="4 0 0 0 4 0 0 0 4" Properties="species:S:1:pos:R:3:{columns}"'
    (tmp_path / "a.xyz").write_text(f"1\n{comment}\nCs 0 0 0\n")
    with pytest.raises(StructureError, match=r"Properties are \d+ columns, more than"):
        load_structure(tmp_path / "a.xyz")


def test_frames_that_lie_in_each_other_are_refused(tmp_path):
    path = tmp_path / "a.traj"
    large = Atoms("Cs900", np.zeros((900, 3)), cell=[4] * 3, pbc=True)
    write(path, [large, *[Atoms("Cs", cell=[4] * 3, pbc=True)] * 5])
    content = bytearray(path.read_bytes())
    _, count, start = struct.unpack("<3q", content[24:48])
    places = slice(start, start + 8 * count)
    content[places] = content[start : start + 8] * count
    path.write_bytes(content)
    *_, last = open_source(path)
    assert "damaged or truncated" in last.reason


def test_rows_that_lie_in_each_other_are_refused(tmp_path):
    """A page of a database that names one and the same page many times."""
    path = tmp_path / "a.db"
    with ase.db.connect(path) as base:
        base.write(Atoms("Cs", cell=[4] * 3, pbc=True), note="x" * 99)
    with closing(sqlite3.connect(path)) as base:
        (size,) = base.execute("pragma page_size").fetchone()
        query = "select rootpage from sqlite_master where name = 'systems'"
        (root,) = base.execute(query).fetchone()
    content = bytearray(path.read_bytes())
    leaf = content[(root - 1) * size : root * size]
    last = len(content) // size + 1
    entry, count = struct.pack(">IB", last, 1), 400
    starts = struct.pack(f">{count}H", *[size - 5] * count)
    page = struct.pack(">BHHHBI", 5, 0, count, size - 5, 0, last) + starts
    page += bytes(size - 5 - len(page)) + entry
    content[(root - 1) * size : root * size] = page
    content[28:32], content[92:96] = struct.pack(">I", last), content[24:28]
    path.write_bytes(content + leaf)
    *_, final = open_source(path)
    assert "rows lie in each other" in final.reason


@pytest.mark.parametrize("ending", [".zst", ".Z", ".7z", ".tar"])
def test_what_cannot_be_unpacked_says_so(tmp_path, ending):
    (tmp_path / f"a.cif{ending}").write_bytes(b"(\xb5/\xfd")
    with pytest.raises(StructureError, match="in a way that is not read; unpack it"):
        load_structure(tmp_path / f"a.cif{ending}")


@pytest.mark.parametrize("name", ["a.traj.gz", "a.db.xz"])
def test_a_compressed_binary_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"x"))
    with pytest.raises(StructureError, match=r"compressed ASE .* is not read"):
        load_structure(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pkl", "a.pt", "a.joblib"])
def test_a_pickle_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04N.")
    with pytest.raises(StructureError, match="can run any program when it is read"):
        load_structure(tmp_path / name)
    with pytest.raises(DataError, match="pickled files are not read"):
        open_source(tmp_path / name)


def test_memory_that_one_file_lacks_costs_that_file_alone(tmp_path, cscl):
    """A file asks for more than there is; the one beside it is read."""
    cscl.to(str(tmp_path / "good.cif"))
    path = tmp_path / "big.traj"
    write(path, cscl.to_ase_atoms())
    content = path.read_bytes()
    path.write_bytes(content.replace(b"[2, 3]", b"[2, 9]").replace(b"[2]", b"[8]"))
    good, bad = open_source([tmp_path / "good.cif", path])
    assert isinstance(good, Record)
    assert isinstance(bad, Failure)


@pytest.mark.parametrize("ending", [*TEXT_ENDINGS, ".traj", ".db"])
def test_pipe_is_a_reason_and_no_hang(tmp_path, ending):
    os.mkfifo(tmp_path / f"a{ending}")
    with pytest.raises(StructureError, match="a pipe, socket or device"):
        load_structure(tmp_path / f"a{ending}")


def test_device_is_a_reason():
    with pytest.raises(StructureError, match="a pipe, socket or device"):
        load_structure(Path("/dev/zero"))
