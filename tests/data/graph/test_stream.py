import functools
import itertools
import multiprocessing
import os
import signal
import time
import warnings

import pytest
import torch

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.graph.stream import encode_entries, encode_here
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.errors import ConfigError

HANGS = 4  # the place of mp-560902


def _entries(count):
    source = open_source("dielectric", ["band_gap"])
    return list(itertools.islice(source.entries(), count))


def _bad(entry):
    return Entry(entry.id, "bad.jsonl, row 3", {"species": []})


def _same(first, other):
    return set(first.keys()) == set(other.keys()) and all(
        torch.equal(first[key], other[key])
        if isinstance(first[key], torch.Tensor)
        else first[key] == other[key]
        for key in first.keys()  # noqa: SIM118
    )


def _with_process(data):
    data.process = os.getpid()
    return data


def _hang_in_c(data):
    """Spin in compiled code that hears no signal, for one of the crystals."""
    if data.id == "mp-560902":
        sum(range(10**12))
    return data


def _hang(_data):
    while True:
        pass


def _die(data):
    if data.id == "mp-560902":
        os.kill(os.getpid(), signal.SIGKILL)
    return data


def _die_once(data, marker):
    if data.id == "mp-560902" and not marker.exists():
        marker.touch()
        os._exit(3)
    return data


def _hang_once(data, marker):
    if data.id == "mp-560902" and not marker.exists():
        marker.touch()
        _hang(data)
    return data


def _break(data, late, early):
    """Fail for two crystals, for the first of them after the other."""
    if data.id == late:
        time.sleep(0.5)
    if data.id in (late, early):
        raise KeyError(data.id)
    return data


def test_processes_give_the_same_graphs_in_the_same_order():
    entries = _entries(80)
    entries[5] = _bad(entries[5])
    entries[70] = Failure("t.csv, row 9", "x", "table", "no file", "add it")
    encoder = Encoder(max_atoms=6)
    alone = list(encode_entries(entries, encoder, workers=1))
    shared = list(encode_entries(entries, encoder, workers=2))
    assert len(alone) == len(shared) == len(entries)
    assert [type(item) for item in alone] == [type(item) for item in shared]
    assert shared[70] is not None
    assert shared[70] == entries[70]
    assert isinstance(shared[5], Failure)
    pairs = [
        pair for pair in zip(alone, shared, strict=True) if isinstance(pair[0], Encoded)
    ]
    assert len(pairs) == len(entries) - 2
    for outcome, other in pairs:
        assert _same(outcome.data, other.data)
        assert outcome[1:] == other[1:]
    assert any(item.warnings for item, _ in pairs)


@pytest.mark.slow  # each process imports torch
def test_processes_may_start_afresh_instead_of_forking(monkeypatch):
    monkeypatch.setattr("pyg_sitenet.workers.pool.START_METHOD", "spawn")
    entries = _entries(20)
    results = list(encode_entries(entries, Encoder(max_atoms=20), workers=2))
    assert [result.id for result in results] == [entry.id for entry in entries]


@pytest.mark.parametrize("workers", [1, 2])
def test_crystals_are_encoded_in_other_processes(workers):
    encoder = Encoder(max_atoms=10, pre_transform=_with_process)
    results = list(encode_entries(_entries(40), encoder, workers=workers))
    used = {item.data.process for item in results}
    assert os.getpid() not in used
    assert len(used) == workers


def test_stream_is_read_only_so_far_ahead():
    read = []

    def stream():
        for entry in itertools.cycle(_entries(3)):
            read.append(entry)
            yield entry

    results = encode_entries(stream(), Encoder(max_atoms=6), workers=1)
    ids = [result.id for result in itertools.islice(results, 10)]
    results.close()
    assert ids == [entry.id for entry in read[:10]]
    assert len(read) < 60


def test_wrong_setting_is_no_failure_of_each_crystal():
    with pytest.raises(ConfigError, match="max_atoms"):
        list(encode_entries(_entries(2), Encoder(max_atoms=0)))


@pytest.mark.parametrize("workers", [1, 2])
def test_crystal_that_hangs_in_compiled_code_costs_itself_alone(workers, monkeypatch):
    monkeypatch.setattr("pyg_sitenet.workers.pool._TRIES", 1)
    entries = _entries(12)
    encoder = Encoder(max_atoms=6, pre_transform=_hang_in_c)
    results = list(encode_entries(entries, encoder, workers, time_limit=3))
    lost = [k for k, item in enumerate(results) if isinstance(item, Failure)]
    assert lost == [HANGS]
    assert [item.id for item in results] == [item.id for item in entries]
    assert results[HANGS].stage == "encode"
    assert results[HANGS].origin == "bundled data set dielectric, mp-560902"
    assert results[HANGS].reason == "not read and encoded within 3 seconds"
    assert "data.time_limit" in results[HANGS].remedy


def test_crystal_that_hangs_here_is_interrupted():
    entries = _entries(1)
    before = signal.getsignal(signal.SIGALRM)
    encoder = Encoder(max_atoms=6, pre_transform=_hang)
    (failure,) = encode_here(entries, encoder, time_limit=0.2)
    assert failure.reason == "not read and encoded within 0.2 seconds"
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_limit_does_not_touch_what_keeps_it():
    limited = list(encode_here(_entries(3), Encoder(max_atoms=6), time_limit=60))
    free = list(encode_here(_entries(3), Encoder(max_atoms=6)))
    assert len(limited) == len(free) == 3
    assert all(map(_same, (a.data for a in limited), (b.data for b in free)))


def test_process_of_a_loader_encodes_by_itself():
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def work():
        results = encode_entries(_entries(2), Encoder(max_atoms=6), 2)
        theirs.send([result.id for result in results])

    process = context.Process(target=work, daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    assert ours.poll(60)
    assert ours.recv() == [entry.id for entry in _entries(2)]
    process.join()


def test_crystal_whose_process_is_killed_costs_itself_alone():
    entries = _entries(12)
    encoder = Encoder(max_atoms=6, pre_transform=_die)
    results = list(encode_entries(entries, encoder, 2))
    assert [k for k, item in enumerate(results) if isinstance(item, Failure)] == [HANGS]
    assert "was ended by SIGKILL, perhaps for lack of memory, twice" in (
        results[HANGS].reason
    )


def test_crystal_is_tried_again_when_its_process_dies(tmp_path):
    entries = _entries(12)
    once = functools.partial(_die_once, marker=tmp_path / "died")
    results = list(encode_entries(entries, Encoder(max_atoms=6, pre_transform=once), 2))
    assert (tmp_path / "died").exists()
    assert [type(item) for item in results] == [Encoded] * len(entries)


def test_crystal_that_was_late_once_is_tried_again(tmp_path):
    # As when the machine was paused meanwhile.
    late = functools.partial(_hang_once, marker=tmp_path / "late")
    encoder = Encoder(max_atoms=6, pre_transform=late)
    results = list(encode_entries(_entries(12), encoder, 2, time_limit=3))
    assert (tmp_path / "late").exists()
    assert [type(item) for item in results] == [Encoded] * 12


@pytest.mark.parametrize("workers", [1, 2])
def test_error_of_a_transform_is_raised_in_its_turn(workers):
    entries = _entries(12)
    late, early = entries[3].id, entries[7].id
    breaks = functools.partial(_break, late=late, early=early)
    results = encode_entries(
        entries, Encoder(max_atoms=6, pre_transform=breaks), workers
    )
    assert [next(results).id for _ in range(3)] == [entry.id for entry in entries[:3]]
    with pytest.raises(KeyError, match=late):
        next(results)


def test_no_process_is_left():
    list(encode_entries(_entries(20), Encoder(max_atoms=6), 2))
    results = encode_entries(_entries(20), Encoder(max_atoms=6), 2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [-1, 1.5, "2"])
def test_number_of_processes_that_cannot_be_is_refused(workers):
    with pytest.raises(ConfigError, match=r"whole number of processes, 0 .* got"):
        list(encode_entries(_entries(2), Encoder(max_atoms=6), workers=workers))
