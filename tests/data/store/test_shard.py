"""What is written to a shard is what is read from it, and damage is noticed."""

import pytest
import torch
from torch_geometric.data import Data

from pyg_sitenet.data.graph.encoded import Encoded, Ordered
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.store.shard import (
    DamagedShardError,
    Shard,
    shard_bytes,
    write_shard,
)
from pyg_sitenet.errors import DataError


def _graph(num_sites, **values):
    x = torch.arange(3.0 * num_sites).reshape(num_sites, 3)
    edges = torch.arange(2 * num_sites).reshape(2, num_sites) % num_sites
    return Data(x=x, edge_index=edges, id=f"n{num_sites}", **values)


FAILURE = Failure("b.cif", "b", "read", "line 3 is torn", "repair it")
RESULTS = [
    Encoded(_graph(2), "a", ("hot",), "a.cif", {"gap": 1.5}),
    FAILURE,
    None,
    Encoded(
        _graph(3),
        "c",
        origin="c.cif",
        targets={"gap": 2.5},
        others=(_graph(1),),
        ordered=Ordered((0.25, 0.75), 0.1),
    ),
]


@pytest.fixture
def shard(tmp_path):
    return Shard(tmp_path / write_shard(tmp_path, 7, RESULTS))


def test_graphs_come_back_bit_by_bit(shard):
    written = [RESULTS[0].data, RESULTS[3].data, *RESULTS[3].others]
    assert len(shard) == len(written) == 3
    for place, graph in enumerate(written):
        read = shard.graph(place)
        assert set(read.keys()) == set(graph.keys())
        assert torch.equal(read.x, graph.x)
        assert torch.equal(read.edge_index, graph.edge_index)
        assert read.id == graph.id


def test_sizes_and_columns_are_those_of_the_graphs(shard):
    assert shard.num_sites() == [2, 3, 1]
    assert shard.num_pairs() == [2, 3, 1]
    assert shard.column("x").shape == (6, 3)


def test_notes_tell_what_the_graphs_do_not(shard):
    notes = shard.notes
    assert (notes["num_entries"], notes["num_crystals"]) == (4, 2)
    assert notes["ids"] == ["a", "c", "c"]
    assert notes["origins"] == ["a.cif", "c.cif", "c.cif"]
    assert notes["targets"] == [[1.5], [2.5], [2.5]]
    assert notes["warnings"] == {"a": ["hot"]}
    assert notes["ordered"] == {"c": [[0.25, 0.75], 0.1]}
    assert [Failure(**values) for values in notes["failures"]] == [FAILURE]


def test_number_and_hash_of_the_content_are_the_name(shard):
    assert shard.path.name.startswith("000007-")
    assert shard.path.read_bytes() == shard_bytes(RESULTS) == shard_bytes(RESULTS)


def test_shard_without_a_graph_can_be_read(tmp_path):
    shard = Shard(tmp_path / write_shard(tmp_path, 0, [FAILURE, None]))
    assert (len(shard), shard.num_sites()) == (0, [])


def test_empty_tensors_and_all_types_come_back(tmp_path):
    types = (torch.bool, torch.uint8, torch.int32, torch.float16, torch.float64)
    values = {f"t{k}": torch.ones(k, dtype=t) for k, t in enumerate(types)}
    name = write_shard(tmp_path, 0, [Encoded(_graph(2, **values), "a")])
    graph = Shard(tmp_path / name).graph(0)
    for key, value in values.items():
        assert torch.equal(graph[key], value)
        assert graph[key].dtype == value.dtype


def test_graph_cannot_change_the_file(shard):
    before = shard.path.read_bytes()
    shard.graph(0).x.zero_()
    assert shard.path.read_bytes() == before


@pytest.mark.parametrize("value", [object(), {"a": 1}])
def test_what_is_no_tensor_text_or_number_is_refused(tmp_path, value):
    kind = "dict" if isinstance(value, dict) else "object"
    graph = _graph(2)
    graph.extra = value
    with pytest.raises(DataError, match=f"expected a tensor, text or .*, got {kind}"):
        write_shard(tmp_path, 0, [Encoded(graph, "a")])


@pytest.mark.parametrize("size", [0, 10, -1])
def test_part_of_a_file_is_damage(shard, size):
    shard.path.write_bytes(shard.path.read_bytes()[:size])
    with pytest.raises(DamagedShardError, match=r"missing or empty|damaged"):
        Shard(shard.path)


def test_missing_file_is_damage(tmp_path):
    with pytest.raises(DamagedShardError, match="missing or empty"):
        Shard(tmp_path / f"000000-{'0' * 32}.safetensors")
