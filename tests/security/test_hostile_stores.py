"""Prepared crystals and records of predictions made to harm."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct

import pytest

SECONDS = 60
"""What hangs takes hours; a busy machine takes its time, too."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cif, sitenet):
    """A crystal that is prepared once, to be copied."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "good.cif").write_text(cif)
    words = ("prepare", folder / "good.cif", "-o", folder / "prepared")
    assert sitenet(*words, "--workers", 1).exit_code == 0
    return folder / "prepared"


@pytest.fixture
def prepared(tmp_path, folder):
    return shutil.copytree(folder, tmp_path / "prepared")


@pytest.mark.parametrize(
    "change",
    [
        {"units": [1]},
        {"units": {"a": {}}},
        {"counts": 5},
        {"versions": []},
        {"settings": {"max_atoms": {}}},
        {"targets": 5},
        {"key": {}},
    ],
)
def test_odd_marker_of_prepared_crystals_is_refused(prepared, refused, change):
    values = json.loads((prepared / "prepared.json").read_text())
    (prepared / "prepared.json").write_text(json.dumps(values | change))
    refused("predict", "band-gap", prepared)


def test_deep_marker_of_prepared_crystals_is_refused(prepared, refused):
    (prepared / "prepared.json").write_text("[" * 100_000)
    refused("predict", "band-gap", prepared)


def rewrite(folder, stem, change):
    """Change a file of graphs and give it the name that its content must have."""
    (path,) = folder.glob(f"{stem}-*.safetensors")
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, rest = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    change(header, rest)
    start = json.dumps(header).encode()
    content = struct.pack("<Q", len(start)) + start + bytes(rest)
    path.unlink()
    digest = hashlib.sha256(content).hexdigest()[:32]
    (folder / f"{stem}-{digest}.safetensors").write_bytes(content)
    return f"{stem}-{digest}.safetensors", path.name


def put(name, value):
    """Overwrite the first number of a tensor."""

    def change(header, rest):
        start, _ = header[name]["data_offsets"]
        rest[start : start + 8] = struct.pack("<q", value)

    return change


GRAPHS = {
    "offsets": lambda h, _: h["data/x"].update(data_offsets=[0, 2**62]),
    "negative": lambda h, _: h["data/x"].update(data_offsets=[-8, 2**20]),
    "shape": lambda h, _: h["data/x"].update(shape=[10**15]),
    "empty": lambda h, _: h["data/x"].update(shape=[10**15], data_offsets=[0, 0]),
    "type": lambda h, _: h["data/x"].update(dtype="V8"),
    "edges": put("data/edge_index", 10**9),
    "edge below": put("data/edge_index", -(10**9)),
    "slices": put("slices/edge_index", 10**12),
    "metadata": lambda h, _: h.update(__metadata__={}),
    "notes": lambda h, _: h.update(__metadata__={"pyg_sitenet": '{"notes": 1}'}),
    "deep": lambda h, _: h.update(__metadata__={"pyg_sitenet": "[" * 99_999}),
    "no tensor": lambda h, _: h.pop("data/x"),
}
INDEXES = {
    "type": lambda h, _: h["starts"].update(dtype="V8"),
    "offsets": lambda h, _: h["starts"].update(data_offsets=[0, 2**62]),
    "slices": put("starts", 10**12),
    "edges": put("num_pairs", -5),
    "metadata": lambda h, _: h.update(__metadata__={"a": "b"}),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_hostile_graphs_of_prepared_crystals_end_nothing(prepared, in_child, kind):
    """They are made anew from their source, or refused; nothing reads beyond them."""
    new, old = rewrite(prepared / "graphs", "000000", GRAPHS[kind])
    names = lambda h, _: h["__metadata__"].update(  # noqa: E731
        pyg_sitenet=h["__metadata__"]["pyg_sitenet"].replace(old, new)
    )
    rewrite(prepared / "graphs", "index", names)
    assert_ends_by_itself(in_child, prepared)


@pytest.mark.parametrize("kind", INDEXES)
def test_hostile_index_of_prepared_crystals_ends_nothing(prepared, in_child, kind):
    rewrite(prepared / "graphs", "index", INDEXES[kind])
    assert_ends_by_itself(in_child, prepared)


def assert_ends_by_itself(in_child, prepared):
    done = in_child("predict", "band-gap", prepared, "--workers", 1, seconds=SECONDS)
    assert done.exit_code in (0, 1), (done.exit_code, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"ledger": {"used": "many"}},
        {"ledger": {"failed_by_reason": 5, "used": 1}},
        {"num_inputs": -5},
        {"output": {"num_bytes": -5, "sha256": ""}},
        {"output": {"num_bytes": 10**30, "sha256": ""}},
        {"run": 5},
    ],
)
def test_odd_journal_is_refused(tmp_path, good, sitenet, refused, change):
    words = ("predict", "band-gap", good, "-o", tmp_path / "p.csv", "--workers", 1)
    assert sitenet(*words).exit_code == 0
    journal = tmp_path / "p_run.json"
    values = json.loads(journal.read_text()) | {"is_complete": False} | change
    journal.write_text(json.dumps(values))
    refused(*words, "--resume")
    journal.write_text("[" * 100_000)
    refused(*words, "--resume")
