import itertools
import multiprocessing
import os
import signal
import time
import warnings

import pytest
import torch

from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.store import shards_in_pool
from pyg_sitenet.data.store.claims import Claims
from pyg_sitenet.data.store.reader import Store, read_index
from pyg_sitenet.data.store.shard import Shard
from pyg_sitenet.data.store.writer import Builder
from pyg_sitenet.errors import DataError

SIZE = 16
COUNT = 3 * SIZE + 10


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyg_sitenet.data.store.writer.SHARD_SIZE", SIZE)
        yield


def _entries():
    source = open_source("dielectric", ["band_gap"])
    return itertools.islice(source.entries(), COUNT)


def _builder(folder, workers=2, pre_transform=None, **options):
    encoder = Encoder(max_atoms=4, pre_transform=pre_transform)
    return Builder(folder, _entries, encoder, workers=workers, **options)


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folder of a data set that was built without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    _builder(folder).build()
    return folder


def _fork(function, *arguments):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=function, args=arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    os.setpgid(process.pid, process.pid)  # its own processes are killed with it
    return process


def _build(folder):
    _builder(folder).build()


def test_shards_hold_the_entries_in_order(whole):
    names = read_index(whole).names
    shards = [Shard(whole / name) for name in names]
    assert [shard.notes["num_entries"] for shard in shards] == [SIZE] * 3 + [10]
    ids = [id_ for shard in shards for id_ in shard.notes["ids"]]
    assert ids == [entry.id for entry in _entries()]
    assert not [path for path in whole.iterdir() if path.name.startswith(".")]


def test_bytes_do_not_depend_on_the_number_of_processes(whole, tmp_path):
    _builder(tmp_path, workers=1).build()
    assert _content(tmp_path) == _content(whole)


def test_what_was_killed_goes_on_and_ends_the_same(whole, tmp_path):
    with Claims(tmp_path / ".claims") as claims:
        assert claims.claim(3)  # the last shard, so that no build ends by itself
        for number in (1, 2, 3):
            process = _fork(_build, tmp_path)
            _wait_for_shards(tmp_path, number)
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            assert process.exitcode == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("0*")}
    _builder(tmp_path).build()
    assert _content(tmp_path) == _content(whole)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def _wait_for_shards(folder, number):
    end = time.monotonic() + 60
    while len(list(folder.glob("0*.safetensors"))) < number:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_processes_share_one_folder(whole, tmp_path):
    def build(counted):
        def note(data):
            counted.put(data.id)
            return data

        _builder(tmp_path, workers=1, pre_transform=note).build()

    queues = [multiprocessing.get_context("fork").SimpleQueue() for _ in range(2)]
    numbers = [[], []]
    processes = [_fork(build, queue) for queue in queues]
    while any(process.is_alive() for process in processes):
        for queue, ids in zip(queues, numbers, strict=True):
            while not queue.empty():
                ids.append(queue.get())
        time.sleep(0.01)
    assert [process.exitcode for process in processes] == [0, 0]
    assert _content(tmp_path) == _content(whole)
    joined = [*numbers[0], *numbers[1]]
    assert len(joined) == len(set(joined)) == COUNT  # none was encoded twice
    assert min(map(len, numbers)) >= 10  # the last shard


def test_work_of_a_dead_process_is_taken_over(whole, tmp_path):
    process = _fork(_build, tmp_path)
    _wait_for_shards(tmp_path, 1)
    os.killpg(process.pid, signal.SIGSTOP)
    other = _fork(_build, tmp_path)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    other.join(60)
    process.join()
    assert other.exitcode == 0
    assert _content(tmp_path) == _content(whole)


def test_damaged_shard_is_found_and_written_again(whole, tmp_path):
    _builder(tmp_path).build()
    next(iter(tmp_path.glob("index-*"))).unlink()
    path = sorted(tmp_path.glob("0*"))[1]
    path.write_bytes(path.read_bytes()[:-1])
    _builder(tmp_path).build()
    assert _content(tmp_path) == _content(whole)


def test_progress_counts_every_entry_once(tmp_path):
    counts = []
    _builder(tmp_path, advance=counts.append).build()
    assert sum(counts) == COUNT
    (tmp_path / read_index(tmp_path).names[2]).unlink()
    next(iter(tmp_path.glob("index-*"))).unlink()
    counts.clear()
    _builder(tmp_path, advance=counts.append).build()
    assert sum(counts) == COUNT


def test_writing_outlives_a_time_limit_that_is_too_short(tmp_path, monkeypatch):

    def slow(folder, number, results):
        time.sleep(1.0)
        return written(folder, number, results)

    written = shards_in_pool.write_shard
    monkeypatch.setattr("pyg_sitenet.data.store.shards_in_pool.write_shard", slow)
    monkeypatch.setattr("pyg_sitenet.workers.pool._TRIES", 1)
    _builder(tmp_path, time_limit=0.5).build()
    assert len(read_index(tmp_path).names) == 4


def test_error_of_a_transform_leaves_the_shards_before_it(whole, tmp_path):
    ids = [entry.id for entry in _entries()]
    late, early = ids[2 * SIZE + 3], ids[3 * SIZE + 1]

    def fail(data):
        if data.id == late:
            time.sleep(1.0)  # the other process fails before this one does
        if data.id in (late, early):
            raise KeyError(data.id)
        return data

    with pytest.raises(KeyError, match=late):
        _builder(tmp_path, pre_transform=fail).build()
    names = read_index(whole).names[:2]
    shards = sorted(path.name for path in tmp_path.glob("0*.safetensors"))
    assert shards == sorted(names)
    _builder(tmp_path).build()
    assert _content(tmp_path) == _content(whole)


def test_process_of_a_loader_builds_alone(whole, tmp_path):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_builder(tmp_path).build, daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(60)
    assert process.exitcode == 0
    assert _content(tmp_path) == _content(whole)


def test_full_disk_is_named(tmp_path, monkeypatch):
    def fail(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyg_sitenet.data.store.named_file.os.fsync", fail)
    with pytest.raises(DataError, match="No space left on device"):
        _builder(tmp_path / "set").build()


def test_failed_fork_is_not_blamed_on_the_folder(tmp_path, monkeypatch):
    def fail():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("os.fork", fail)
    message = (
        r"^process 1 of 2 to encode crystals cannot be started: Resource temporarily "
        r"unavailable; use fewer \(data.workers\), or end other processes$"
    )
    with pytest.raises(DataError, match=message):
        _builder(tmp_path / "set").build()


def test_error_of_the_source_is_not_blamed_on_the_folder(tmp_path):
    def entries():
        yield from itertools.islice(_entries(), 3)
        raise FileNotFoundError(2, "No such file or directory", "crystals.zip")

    with pytest.raises(FileNotFoundError, match=r"crystals\.zip"):
        Builder(tmp_path / "set", entries, Encoder(max_atoms=4), workers=1).build()


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"set: cannot write .*; choose a folder you"):
        _builder(tmp_path / "file" / "set").build()


def _read_all(folder):
    store = Store(folder, read_index(folder), repair=lambda _: "")
    for position in range(len(store)):
        store.graph(position)
    return store


def test_memory_of_a_large_set_is_given_back(whole, monkeypatch):
    small = _read_all(whole)
    assert len(small._graphs) == COUNT
    assert _resident(str(whole)) > 40  # kB
    del small
    monkeypatch.setattr("pyg_sitenet.data.store.reader.MEMORY", 1)
    large = _read_all(whole)
    assert large._graphs == {}
    assert _resident(str(whole)) == 0


def test_graph_of_a_large_set_can_be_changed_in_place(whole, monkeypatch):
    monkeypatch.setattr("pyg_sitenet.data.store.reader.MEMORY", 1)
    store = _read_all(whole)
    graph, before = store.graph(0), store.graph(0).x
    graph.x += 1
    for position in range(len(store)):
        store.graph(position)
    assert torch.equal(graph.x, before + 1)
    assert torch.equal(store.graph(0).x, before)


def _resident(folder):
    """Return how much of the files of a folder is mapped and in memory, in kB."""
    total, is_ours = 0, False
    with open("/proc/self/smaps", encoding="utf-8") as file:
        for line in file:
            if "-" in line.split(" ")[0]:
                is_ours = folder in line
            elif is_ours and line.startswith("Rss:"):
                total += int(line.split()[1])
    return total
