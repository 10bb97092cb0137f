import shutil
from importlib import metadata

import pytest

from pyg_sitenet import version
from pyg_sitenet.data.store.fingerprint import fingerprint


def test_fingerprint_tells_settings_apart():
    prints = [fingerprint({"a": 1}), fingerprint({"a": 2}), fingerprint({"b": 1})]
    assert len(set(prints)) == 3
    assert fingerprint({"a": 1}) == prints[0]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose code can be edited."""
    copy = shutil.copytree(version.PACKAGE, tmp_path / "pyg_sitenet")
    monkeypatch.setattr(version, "PACKAGE", copy)
    version.code_hash.cache_clear()
    yield copy
    version.code_hash.cache_clear()


def _append(path, text):
    version.code_hash.cache_clear()
    path.write_bytes(path.read_bytes() + text)


@pytest.mark.parametrize(
    "name",
    [
        "workers/pool.py",
        "data/readers/source.py",
        "data/store/writer.py",
        "data/batches/sampler.py",
        "nn/site_net.py",
    ],
)
def test_comment_where_no_graph_is_made_keeps_the_key(package, name):
    before = fingerprint({})
    _append(package / name, b"# A comment.\n")
    assert fingerprint({}) == before


@pytest.mark.parametrize(
    "name",
    [
        "data/elements.csv",
        "data/elements.py",
        "data/geometry/lattice.py",
        "data/structure/load.py",
        "data/disorder/rounding.py",
        "data/graph/encode.py",
        "data/transforms/merge_equivalent.py",
    ],
)
def test_what_makes_a_graph_changes_the_key(package, name):
    before = fingerprint({})
    _append(package / name, b"\n")
    assert fingerprint({}) != before


@pytest.mark.parametrize("library", ["ase", "numpy", "pymatgen", "scipy", "spglib"])
def test_another_version_of_a_library_changes_the_key(monkeypatch, library):
    before, installed = fingerprint({}), metadata.version
    monkeypatch.setattr(
        metadata,
        "version",
        lambda name: "0.0.1" if name == library else installed(name),
    )
    assert fingerprint({}) != before


def test_folder_that_is_gone_is_not_hashed_as_nothing():
    with pytest.raises(ValueError, match="expected code in the package's 'data/gone'"):
        version.code_hash("data/gone")
