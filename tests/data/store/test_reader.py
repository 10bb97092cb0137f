"""A data set on disk read by place: in any order, through damage, in any process."""

import pickle

import pytest
import torch
from torch_geometric.data import Data

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.store.reader import Store, read_index, write_index
from pyg_sitenet.data.store.shard import Shard, write_shard
from pyg_sitenet.errors import DataError

SIZES = [[2, 3], [], [4, 1, 5]]  # sites of the graphs of each shard


def _result(number, num_sites):
    graph = Data(x=torch.full((num_sites, 1), float(number)))
    graph.edge_index = torch.zeros(2, 2 * num_sites, dtype=torch.long)
    graph.y = torch.tensor([[float(number)]])
    texts = ("large",) if num_sites > 3 else ()
    return Encoded(graph, f"c{number}", texts, f"c{number}.cif", {"gap": number})


def _results():
    number = 0
    for sizes in SIZES:
        failure = Failure(f"f{number}.cif", f"f{number}", "read", "torn", "repair it")
        yield [failure, *(_result(number + k, n) for k, n in enumerate(sizes))]
        number += len(sizes)


@pytest.fixture
def folder(tmp_path):
    names = [write_shard(tmp_path, k, part) for k, part in enumerate(_results())]
    write_index(tmp_path, (Shard(tmp_path / name) for name in names))
    return tmp_path


def _refuse(number):
    raise DataError(f"part {number} is gone")


@pytest.fixture
def store(folder):
    return Store(folder, read_index(folder), _refuse)


def test_index_knows_all_shards_without_looking(folder):
    index = read_index(folder)
    assert [name[:7] for name in index.names] == ["000000-", "000001-", "000002-"]
    assert index.starts.tolist() == [0, 2, 2, 5]
    assert index.num_sites.tolist() == [2, 3, 4, 1, 5]
    assert index.num_pairs.tolist() == [4, 6, 8, 2, 10]
    assert index.num_bytes == sum(p.stat().st_size for p in folder.glob("0*"))
    assert (index.ledger.used, index.ledger.failed, index.ledger.warned) == (5, 3, 2)


@pytest.mark.parametrize("damage", [lambda text: text[:-1], lambda _: b""])
def test_damaged_index_counts_as_none(folder, damage):
    path = next(folder.glob("index-*"))
    path.write_bytes(damage(path.read_bytes()))
    assert read_index(folder) is None


def test_folder_without_index_is_incomplete(tmp_path):
    assert read_index(tmp_path) is None
    assert read_index(tmp_path / "nowhere") is None


@pytest.mark.parametrize("memory", [2**20, 1])
def test_graphs_are_found_by_their_place_in_any_order(folder, memory, monkeypatch):
    monkeypatch.setattr("pyg_sitenet.data.store.reader.MEMORY", memory)
    store = Store(folder, read_index(folder), _refuse)
    assert len(store) == 5
    for position in (4, 0, 3, 1, 2, 4):
        graph = store.graph(position)
        assert graph.x.unique().item() == position
        assert len(graph.x) == store.index.num_sites[position]


def test_attributes_set_on_a_graph_do_not_stay(store):
    store.graph(1).x = torch.zeros(9)
    assert store.graph(1).x.shape == (3, 1)


def test_columns_ids_failures_and_warnings_go_through_all_shards(store):
    assert store.joined("y").tolist() == [[0.0], [1.0], [2.0], [3.0], [4.0]]
    assert store.ids() == ["c0", "c1", "c2", "c3", "c4"]
    assert [failure.id for failure in store.failures()] == ["f0", "f2", "f2"]
    assert list(store.warnings()) == [("c2", ["large"]), ("c4", ["large"])]


def test_only_the_damaged_shard_is_repaired(folder):
    name = read_index(folder).names[2]
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    repaired = []

    def repair(number):
        repaired.append(number)
        (folder / name).write_bytes(content)
        return name

    store = Store(folder, read_index(folder), repair)
    assert [store.graph(k).x[0].item() for k in range(5)] == [0, 1, 2, 3, 4]
    assert repaired == [2]


def test_damage_that_cannot_be_repaired_is_told(folder, store):
    (folder / store.index.names[0]).unlink()
    with pytest.raises(DataError, match="part 0 is gone"):
        store.graph(0)


def test_store_travels_without_its_maps(store):
    store.graph(0)
    again = pickle.loads(pickle.dumps(store))
    assert again.graph(3).x.item() == 3
    assert len(pickle.dumps(again)) < 5000
