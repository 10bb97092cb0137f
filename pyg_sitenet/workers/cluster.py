"""A Ray cluster: blocks go out by Ray Data, and answers come back in their order."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, TypeVar

from pyg_sitenet.errors import ClusterError
from pyg_sitenet.workers.cluster_worker import versions
from pyg_sitenet.workers.pool import num_cores
from pyg_sitenet.workers.pool_worker import open_answer

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 10.0  # seconds until a cluster must answer
# A dataset is so many blocks per core: enough to outlast what it costs to begin one.
_BLOCKS = 8
_AHEAD = 2  # datasets under way: the second is at work while the first ends
_TRIES = 3  # of a dataset; Ray itself repeats a block three times before


class Cluster:
    """The processes of a Ray cluster, to which this one is connected.

    Args:
        workers: Blocks computed at a time; 0 for as many as the cluster has cores.
    """

    def __init__(self, workers: int = 0) -> None:
        self._workers = workers

    def map(
        self, function: Callable[[list[T]], R], blocks: Iterable[Sequence[T]]
    ) -> Iterator[R]:
        """Compute a function of blocks, in their order.

        Of a stream of any length a number of blocks is held that depends on the cores
        alone. The work of a process or machine that dies is done again.

        Args:
            function: Picklable, and the same wherever it is computed.
            blocks: Its arguments, one after the other.

        Raises:
            ClusterError: If the cluster has other versions than this process, or does
                not compute a block however often it is tried.
            Exception: What the function raised.
        """
        import ray
        from ray import cloudpickle  # also takes what a script or notebook defines

        task = _make_task(ray.put(cloudpickle.dumps(function)), versions())
        upcoming = (pickle.dumps(list(block)) for block in blocks)
        laps: deque[_Lap] = deque()
        threads = ThreadPoolExecutor(_AHEAD)
        try:
            while True:
                while len(laps) < _AHEAD:
                    some = list(islice(upcoming, _BLOCKS * self._num_workers()))
                    if not some:
                        break
                    laps.append(_Lap(task, some, self._workers or None, threads))
                if not laps:
                    return
                yield from map(open_answer, laps.popleft().answers())
        finally:
            threads.shutdown(wait=False)
            _abandon(laps)

    def _num_workers(self) -> int:
        import ray

        return self._workers or max(1, int(ray.cluster_resources().get("CPU", 1)))


class _Lap:
    """Some blocks as a dataset of Ray, begun at once.

    The blocks are kept until they are answered, should Ray lose the dataset.
    """

    def __init__(
        self,
        task: Callable[[dict[str, Any]], dict[str, Any]],
        blocks: list[bytes],
        workers: int | None,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._task = task
        self._blocks = deque(blocks)
        self._workers = workers
        self._threads = threads
        self._begin()

    def answers(self) -> Iterator[bytes]:
        """Wait for the answers, in the order of the blocks."""
        from ray.exceptions import RayError

        for tries_left in reversed(range(_TRIES)):
            try:
                for row in chain([self._first.result()], self._rows):
                    self._blocks.popleft()
                    yield _check_row(row)
                return
            except RayError as error:
                if not tries_left:
                    raise ClusterError(
                        "the cluster lost its processes again and again: "
                        f"{' '.join(str(error).split())[:300]}; look into its logs, or "
                        "go on without it"
                    ) from error
                self._begin()

    def abandon(self) -> Future[dict[str, Any]]:
        """Let Ray end the dataset as soon as its first row is there; that is returned.

        Before, the iterator is at work in another thread and cannot be closed.
        """
        self._first.add_done_callback(lambda _: self._rows.close())
        return self._first

    def _begin(self) -> None:
        """Let Ray begin in the background: it does so when a row is asked for."""
        self._rows = _rows(self._task, self._blocks, self._workers)
        self._first: Future[dict[str, Any]] = self._threads.submit(next, self._rows)


def _abandon(laps: Iterable[_Lap]) -> None:
    """End datasets that nobody waits for, while there is a cluster that can.

    Ray's threads go on asking when it is shut down, and it then starts a new cluster.
    """
    wait([lap.abandon() for lap in laps], timeout=_PATIENCE)


def _rows(
    task: Callable[[dict[str, Any]], dict[str, Any]],
    blocks: Iterable[bytes],
    workers: int | None,
) -> Generator[Any, None, None]:
    """Yield the rows that a dataset of these blocks is mapped to."""
    import ray

    rows = [{"block": block} for block in blocks]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        task,
        batch_size=None,
        concurrency=min(workers, len(rows)) if workers else None,
        num_cpus=1,
    )
    context = dataset.context
    context.execution_options.preserve_order = True
    # Else half of the cores are kept for steps that these datasets do not have.
    context.op_resource_reservation_enabled = False
    context.print_on_execution_start = False
    context.enable_progress_bars = False
    yield from dataset.iter_rows()


def _make_task(
    place: Any,  # noqa: ANN401 - a reference of Ray
    wanted: dict[str, str],
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what Ray sends to its processes, which may not have this package."""

    def answer(batch: dict[str, Any]) -> dict[str, Any]:
        import socket

        import ray

        host, blocks = socket.gethostname(), [bytes(one) for one in batch["block"]]
        try:
            from pyg_sitenet.workers.cluster_worker import answer_block
        except ImportError as error:
            found, problem = [b""] * len(blocks), str(error)
        else:
            found = [answer_block(ray.get, place, one, wanted, host) for one in blocks]
            problem = ""
        count = len(blocks)
        return {"answer": found, "host": [host] * count, "problem": [problem] * count}

    return answer


def _check_row(row: dict[str, Any]) -> bytes:
    if row["problem"]:
        raise ClusterError(
            f"the cluster's machine {row['host']} cannot import pyg_sitenet: "
            f"{row['problem']}; install it there in the same version as here"
        )
    return bytes(row["answer"])


@contextmanager
def open_cluster(address: str | None, workers: int = 0) -> Iterator[Cluster | None]:
    """Connect to a Ray cluster for a while; a connection that is there is used.

    Args:
        address: ``"auto"`` for the cluster that this machine belongs to, its
            ``HOST:PORT``, or ``"local"`` for one on this machine alone that ends with
            the work; None for no cluster.
        workers: Blocks computed at a time; 0 for one per core.

    Raises:
        ClusterError: If Ray is not installed, or no cluster answers at the address.
    """
    if address is None:
        yield None
        return
    ray = _import_ray()
    if ray.is_initialized():
        yield Cluster(workers)
        return
    _connect(ray, address, workers)
    try:
        yield Cluster(workers)
    finally:
        ray.shutdown()


def _import_ray() -> Any:  # noqa: ANN401
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ClusterError(
            f"work on a cluster needs Ray, which cannot be imported ({error}); "
            "pip install 'pyg-sitenet[ray]'"
        ) from error
    return ray


def _connect(ray: Any, address: str, workers: int) -> None:  # noqa: ANN401
    options: dict[str, Any] = {"address": address}
    if address == "local":
        options |= {"num_cpus": workers or num_cores(), "include_dashboard": False}
    else:
        asked = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
        if asked != "auto":
            _check_address(asked)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ClusterError(
            f"no Ray cluster answers at {address!r}: {reason}; start one with `ray "
            "start --head`, or give the address of one"
        ) from error


def _check_address(address: str) -> None:
    """Look whether anything listens there, for which Ray itself would wait long."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise ClusterError(
            f"the address of a Ray cluster must be auto, local or HOST:PORT, got "
            f"{address!r}; run the command on a machine of the cluster"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {address!r}: {error}; start one with `ray "
            "start --head`, or give the address of one"
        ) from error
