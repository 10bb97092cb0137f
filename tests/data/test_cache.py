import functools

import pytest
import torch
from safetensors.torch import save_file
from torch_geometric import transforms
from torch_geometric.data import Data, InMemoryDataset

from pyg_sitenet.data.cache import (
    describe,
    fingerprint,
    is_telling,
    load_graphs,
    save_graphs,
)
from pyg_sitenet.errors import DataError


def _graphs(count):
    return [
        Data(x=torch.randn(k + 1, 2), y=torch.tensor([[1.0 * k]]), id=f"mp-{k}")
        for k in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_graphs_survive_the_file(tmp_path, count):
    data, slices = InMemoryDataset.collate(_graphs(count))
    save_graphs(tmp_path / "new" / "a.safetensors", data, slices, {"note": [1, "x"]})
    loaded = load_graphs(tmp_path / "new" / "a.safetensors")
    assert loaded is not None
    assert set(loaded[0].keys()) == {"x", "y", "id"}
    assert torch.equal(loaded[0].x, data.x)
    assert loaded[0].id == data.id
    assert loaded[2] == {"note": [1, "x"]}
    assert (loaded[1] is None) == (count == 1)
    if slices is not None:
        assert all(torch.equal(slices[key], loaded[1][key]) for key in slices)


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    data, slices = InMemoryDataset.collate(_graphs(2))
    path = tmp_path / "a.safetensors"
    save_graphs(path, data, slices, {"run": 1})

    def fail(_tensors, part, **_options):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyg_sitenet.data.cache.save_file", fail)
    with pytest.raises(DataError, match="No space left on device"):
        save_graphs(path, data, slices, {"run": 2})
    assert load_graphs(path)[2] == {"run": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    data, slices = InMemoryDataset.collate(_graphs(1))
    with pytest.raises(DataError, match=r"file/processed: cannot write the encoded"):
        save_graphs(tmp_path / "file" / "processed" / "a", data, slices, {})


def test_attribute_of_another_kind_is_named(tmp_path):
    data = Data(x=torch.ones(1, 1), extra=object())
    with pytest.raises(DataError, match=r"`extra` .* expected a tensor"):
        save_graphs(tmp_path / "a.safetensors", data, None, {})


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "foreign"])
def test_file_that_is_not_whole_counts_as_none(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    data, slices = InMemoryDataset.collate(_graphs(2))
    save_graphs(path, data, slices, {})
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-3])
    else:
        save_file({"x": torch.ones(1)}, path)
    assert load_graphs(path) is None


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
