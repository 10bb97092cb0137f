import multiprocessing
import os

import pytest
import torch
from torch_geometric.data import Data

from pyg_sitenet.data.parallel import SMALL, Encoded, Encoder, encode_entries
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.errors import ConfigError, DataError


def _entries(count):
    entries = list(open_source("dielectric", ["band_gap"]).entries())
    return entries[:count]


def _bad(entry):
    return Entry(entry.id, "bad.jsonl, row 3", {"species": []})


def _same(one, other):
    return set(one.keys()) == set(other.keys()) and all(
        torch.equal(one[key], other[key])
        if isinstance(one[key], torch.Tensor)
        else one[key] == other[key]
        for key in one.keys()  # noqa: SIM118
    )


def _with_process(data):
    data.process = os.getpid()
    return data


def _die(_data):
    os._exit(3)


def test_processes_give_the_same_graphs_in_the_same_order():
    entries = _entries(SMALL + 20)
    entries[5] = _bad(entries[5])
    entries[70] = Failure("t.csv, row 9", "x", "table", "no file", "add it")
    encoder = Encoder(max_atoms=6)
    alone = list(encode_entries(entries, encoder, workers=1))
    shared = list(encode_entries(entries, encoder, workers=2))
    assert len(alone) == len(shared) == len(entries)
    assert [type(one) for one in alone] == [type(one) for one in shared]
    assert shared[70] is not None
    assert shared[70] == entries[70]
    assert isinstance(shared[5], Failure)
    pairs = [
        pair for pair in zip(alone, shared, strict=True) if isinstance(pair[0], Encoded)
    ]
    assert len(pairs) == len(entries) - 2
    for one, other in pairs:
        assert _same(one.data, other.data)
        assert one[1:] == other[1:]
    assert any(one.warnings for one, _ in pairs)


@pytest.mark.slow  # each process imports torch
def test_processes_may_start_afresh_instead_of_forking(monkeypatch):
    spawning = multiprocessing.get_context("spawn")
    monkeypatch.setattr(
        "pyg_sitenet.data.parallel.multiprocessing.get_context", lambda: spawning
    )
    entries = _entries(SMALL + 1)
    results = list(encode_entries(entries, Encoder(max_atoms=20), workers=2))
    assert [result.id for result in results] == [entry.id for entry in entries]


def test_many_crystals_are_shared_out_and_few_are_not():
    encoder = Encoder(max_atoms=10, pre_transform=_with_process)
    few = encode_entries(_entries(4), encoder, workers=2)
    assert {one.data.process for one in few} == {os.getpid()}
    many = encode_entries(_entries(SMALL + 40), encoder, workers=2)
    assert os.getpid() not in {one.data.process for one in many}


def test_graph_carries_target_id_and_formula():
    (entry,) = _entries(1)
    data = Encoder(max_atoms=20)(entry).data
    assert (data.id, data.formula) == ("mp-441", "Rb2Te")
    assert data.y.shape == (1, 1)
    assert data.y.dtype == torch.float32
    assert data.y.item() == pytest.approx(1.88)


def test_cell_above_max_atoms_is_kept_with_a_warning():
    (entry,) = _entries(1)
    result = Encoder(max_atoms=2)(entry)
    assert result.data.num_nodes == 3
    assert "3 sites, more than max_atoms=2" in result.warnings[0]
    assert Encoder(max_atoms=3)(entry).warnings == ()


def test_filter_and_transform_are_applied_in_this_order():
    entries = _entries(6)
    encoder = Encoder(
        max_atoms=10,
        pre_filter=lambda data: data.y.item() > 3 and data.num_nodes > 0,
        pre_transform=lambda data: Data(y=-data.y),
    )
    results = [encoder(entry) for entry in entries]
    kept = [entry.targets["band_gap"] > 3 for entry in entries]
    assert [result is not None for result in results] == kept
    assert all(result.data.y.item() < -3 for result in results if result is not None)


def test_crystal_that_cannot_be_encoded_is_a_failure(monkeypatch):
    def overflow(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr("pyg_sitenet.data.parallel.encode_structure", overflow)
    (entry,) = _entries(1)
    failure = Encoder()(entry)
    assert (failure.id, failure.stage, failure.reason) == (
        "mp-441",
        "encode",
        "MemoryError",
    )


def test_wrong_setting_is_no_failure_of_each_crystal():
    with pytest.raises(ConfigError, match="max_atoms"):
        list(encode_entries(_entries(2), Encoder(max_atoms=0)))


def test_process_that_dies_is_an_error_and_no_hang():
    with pytest.raises(DataError, match="a process that encodes crystals died"):
        list(encode_entries(_entries(SMALL + 1), Encoder(pre_transform=_die), 2))
