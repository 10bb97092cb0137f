import functools
import shutil
from importlib import metadata

import pytest
from torch_geometric import transforms

from pyg_sitenet import version
from pyg_sitenet.data.store.fingerprint import describe, fingerprint, is_telling


def test_fingerprint_tells_settings_apart():
    prints = [fingerprint({"a": 1}), fingerprint({"a": 2}), fingerprint({"b": 1})]
    assert len(set(prints)) == 3
    assert fingerprint({"a": 1}) == prints[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (transforms.RadiusGraph(1.0), transforms.RadiusGraph(2.0)),
        # Their repr is the same: the arguments are not in it.
        (
            transforms.AddSelfLoops(fill_value=1.0),
            transforms.AddSelfLoops(fill_value=2.0),
        ),
        (
            transforms.Compose([transforms.AddSelfLoops(fill_value=1.0)]),
            transforms.Compose([transforms.AddSelfLoops(fill_value=2.0)]),
        ),
        (transforms.Compose([]), None),
    ],
)
def test_transforms_with_other_arguments_are_described_differently(one, other):
    assert describe(one) != describe(other)
    assert is_telling(describe(one))


@pytest.mark.parametrize(
    "function", [lambda data: data, functools.partial(lambda data: data)]
)
def test_function_without_a_description_is_not_trusted(function):
    assert not is_telling(describe(function))
    assert not is_telling(describe(transforms.Compose([function])))


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
        "data/readers/text_stream.py",
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
        "transforms/merge_equivalent.py",
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
