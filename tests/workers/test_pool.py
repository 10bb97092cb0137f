import os
import signal
import time

import pytest

from pyg_sitenet.errors import DataError
from pyg_sitenet.workers.pool import Lost, Pool
from pyg_sitenet.workers.pool_worker import Raised


def _all(pool, items):
    numbers = [pool.submit(item) for item in items]
    result = {}
    while pool.num_open:
        result.update(pool.answers())
    return [result[number] for number in numbers]


def _square(number):
    return number**2


def _sleep(seconds):
    time.sleep(seconds)
    return seconds


def _unportable(_item):
    return lambda: None


def _stop(_item):
    os.kill(os.getpid(), signal.SIGSTOP)


def test_answers_belong_to_their_items():
    with Pool(_square, 2) as pool:
        assert _all(pool, range(40)) == [number**2 for number in range(40)]
        assert _all(pool, [3]) == [9]


def test_time_of_one_item_does_not_count_for_the_next():
    with Pool(_sleep, 1, time_limit=2.5) as pool:
        assert _all(pool, [0.8] * 4) == [0.8] * 4


def test_waiting_for_the_parent_is_no_time_over():
    with Pool(_square, 1, time_limit=2) as pool:
        pool.submit(2)
        list(pool.answers())
        pool.submit(3)
        time.sleep(2.5)
        assert dict(pool.answers()) == {1: 9}


def test_process_that_goes_silent_is_killed(monkeypatch):
    monkeypatch.setattr("pyg_sitenet.workers.pool._GRACE", 0.2)
    with Pool(_stop, 1, time_limit=60) as pool:
        pool._time_limit = 0.2
        (lost,) = _all(pool, [0])
    assert isinstance(lost, Lost)
    assert "SIGKILL" in lost.reason


def test_answer_that_cannot_be_sent_is_an_error():
    with Pool(_unportable, 1) as pool:
        (raised,) = _all(pool, [0])
    assert isinstance(raised, Raised)
    with pytest.raises(Exception, match="pickle"):
        raised.again()


def test_processes_that_cannot_start_are_an_error(monkeypatch):
    monkeypatch.setattr("pyg_sitenet.workers.pool.serve", lambda *_: os._exit(1))
    with (
        Pool(_square, 1) as pool,
        pytest.raises(DataError, match="cannot be started: the last one ended with"),
    ):
        _all(pool, [0])


def test_orphans_end_by_themselves():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        pool = Pool(_square, 2)
        _all(pool, range(20))
        pids = [worker.process.pid for worker in pool._workers]
        os.write(write, " ".join(map(str, pids)).encode())
        os._exit(9)
    os.waitpid(child, 0)
    pids = [int(pid) for pid in os.read(read, 100).split()]
    os.close(read)
    os.close(write)
    assert len(pids) == 2
    _wait_until(lambda: not any(map(_is_alive, pids)))


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().split()[2] != "Z"
    except OSError:
        return False


def _wait_until(happened):
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)
