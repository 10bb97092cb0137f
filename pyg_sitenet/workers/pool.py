"""A process pool where a worker that hangs or dies costs only its current item."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, NamedTuple, TypeVar

from pyg_sitenet.errors import DataError
from pyg_sitenet.workers.pool_worker import (
    TIME_OVER,
    Raised,
    explain,
    read_answer,
    serve,
)

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 8  # items that a process is given at once, so that it seldom waits
_TRIES = 2
_STARTS = 3
# Each process watches its own time; one that does not even get there is given so many
# seconds more.
_GRACE = 60.0
# As PyTorch's loaders do on Linux: a copy of this process is there at once and shares
# its memory, where a new one would take seconds to import torch.
START_METHOD = "fork" if sys.platform == "linux" else "spawn"


class Lost(NamedTuple):
    """Why an item has no result.

    Args:
        reason: What happened to the process, in words that go after "the process".
        seconds: How long it was given; None if time was not the reason.
    """

    reason: str
    seconds: float | None = None


@dataclass(eq=False)
class _Job:
    position: int
    item: Any
    tries: int = 0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    jobs: deque[_Job] = field(default_factory=deque)  # the first one is under way
    since: float = field(default_factory=time.monotonic)
    is_ready: bool = False


class Pool(Generic[T, R]):
    """Computes a function of items in other processes.

    An item that takes too long costs its process, which is killed and replaced, even if
    it hangs in compiled code. Such an item, and one whose process dies, is tried once
    more, alone.

    Args:
        function: What to compute; picklable where processes do not fork.
        workers: Processes at most; they are started as they are needed.
        time_limit: Seconds that an item may take; None for no limit.
    """

    def __init__(
        self, function: Callable[[T], R], workers: int, time_limit: float | None = None
    ) -> None:
        self._function = function
        self._num_workers = workers
        self._time_limit = time_limit
        self._queue: deque[_Job] = deque()
        self._workers: list[_Worker] = []
        self._submitted = self._answered = self._failed_starts = 0

    def __enter__(self) -> Pool[T, R]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def num_open(self) -> int:
        """Items without an answer."""
        return self._submitted - self._answered

    def submit(self, item: T) -> int:
        """Add an item and return its number, counted from 0."""
        self._queue.append(_Job(self._submitted, item))
        self._submitted += 1
        return self._submitted - 1

    def answers(self) -> Iterator[tuple[int, R | Lost | Raised]]:
        """Wait for answers and yield them with the numbers of their items.

        Raises:
            DataError: If processes cannot be started.
        """
        while self.num_open:
            self._hand_out()
            ready = wait([process.connection for process in self._workers], 1.0)
            results = [
                answer
                for worker in list(self._workers)
                for answer in self._look_at(worker, worker.connection in ready)
            ]
            if results:
                self._answered += len(results)
                self._hand_out()
                yield from results
                return

    def close(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    def _hand_out(self) -> None:
        for worker in self._workers:
            self._give(worker)
        while self._queue and len(self._workers) < self._num_workers:
            worker = self._start()
            self._workers.append(worker)
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """Give an idle process a few items, or one alone that it has died of."""
        if worker.jobs or not self._queue:
            return
        share = -(-len(self._queue) // self._num_workers)
        for _ in range(min(CHUNK, share)):
            if worker.jobs and (self._queue[0].tries or worker.jobs[0].tries):
                break
            worker.jobs.append(self._queue.popleft())
        worker.since = time.monotonic()
        try:
            worker.connection.send([job.item for job in worker.jobs])
        except MemoryError:
            worker.process.kill()  # the item costs a process, wherever memory ends
        except OSError:
            pass  # it has died, as reading from it will show

    def _look_at(
        self, worker: _Worker, is_ready: bool
    ) -> Iterator[tuple[int, R | Lost | Raised]]:
        if is_ready:
            try:
                yield from self._receive(worker)
            except (EOFError, OSError):
                yield from self._bury(worker)
        elif self._is_silent(worker):
            worker.process.kill()

    def _receive(self, worker: _Worker) -> Iterator[tuple[int, R | Lost | Raised]]:
        content = worker.connection.recv_bytes()
        worker.since = time.monotonic()
        if not worker.is_ready:
            worker.is_ready, self._failed_starts = True, 0
            return
        yield worker.jobs.popleft().position, read_answer(content)

    def _is_silent(self, worker: _Worker) -> bool:
        if self._time_limit is None or not worker.jobs:
            return False
        return time.monotonic() - worker.since > self._time_limit + _GRACE

    def _bury(self, worker: _Worker) -> Iterator[tuple[int, R | Lost | Raised]]:
        """Replace a process that ended; what it had not begun goes back."""
        self._workers.remove(worker)
        worker.process.join()
        worker.connection.close()
        code, jobs = worker.process.exitcode, worker.jobs
        if not worker.is_ready:
            self._check_starts(code)
        elif jobs:
            job = jobs[0]
            job.tries += 1
            is_late = code == TIME_OVER
            # Once more even if it was late: the machine may have been paused.
            if job.tries == _TRIES:
                jobs.popleft()
                yield job.position, Lost(explain(code), self._limit_if(is_late))
        self._queue.extendleft(reversed(jobs))

    def _limit_if(self, is_late: bool) -> float | None:
        return self._time_limit if is_late else None

    def _check_starts(self, code: int | None) -> None:
        self._failed_starts += 1
        if self._failed_starts == _STARTS:
            raise DataError(
                f"processes to encode crystals cannot be started: the last one "
                f"{explain(code)}; in a script, start from within "
                '`if __name__ == "__main__":`, and free memory'
            )

    def _start(self) -> _Worker:
        context: Any = multiprocessing.get_context(START_METHOD)
        ours, theirs = context.Pipe()
        arguments = (theirs, self._function, self._time_limit, os.getpid())
        process = context.Process(target=serve, args=arguments, daemon=True)
        try:
            _start_quietly(process)
        except OSError as error:
            ours.close()
            raise DataError(
                f"process {len(self._workers) + 1} of {self._num_workers} to encode "
                f"crystals cannot be started: {error.strerror}; use fewer "
                "(data.workers), or end other processes"
            ) from error
        finally:
            theirs.close()
        return _Worker(process, ours)


def _start_quietly(process: BaseProcess) -> None:
    with warnings.catch_warnings():
        # Forking a process with threads is warned about: ours compute on one
        # thread, and one that is stuck in its start is killed and replaced.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.kill()
    worker.process.join()
