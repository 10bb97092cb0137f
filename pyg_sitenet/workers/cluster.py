"""A Ray cluster: blocks go out as tasks, and answers come back in their order."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pyg_sitenet.brief import brief_line
from pyg_sitenet.errors import ClusterError
from pyg_sitenet.workers.cluster_worker import versions
from pyg_sitenet.workers.cores import num_cores
from pyg_sitenet.workers.pool_worker import open_answer

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 10.0  # seconds until a cluster must answer
_RETRIES = 11  # of a block whose process or machine died
_QUEUED = 2  # blocks per core sent to Ray, so that a core that is done has the next one
# Blocks per core, with those that wait for a slow one before them: what memory holds.
_HELD = 8


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

        submit = _make_submit(ray, function)
        upcoming = map(submit, blocks)
        answers: deque[Any] = deque()  # in the order of the blocks
        running: list[Any] = []
        try:
            while True:
                max_running, max_held = self._limits(ray)
                while len(running) < max_running and len(answers) < max_held:
                    answer = next(upcoming, None)
                    if answer is None:
                        break
                    answers.append(answer)
                    running.append(answer)
                if not answers:
                    return
                if answers[0] in running:
                    _, running = ray.wait(running, num_returns=1)
                else:
                    yield _receive(ray, answers.popleft())
        finally:
            _cancel(ray, running)

    def _limits(self, ray: Any) -> tuple[int, int]:  # noqa: ANN401
        """Return how many blocks may run, and how many may be held."""
        if self._workers:
            return self._workers, _HELD * self._workers
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        return _QUEUED * cores, _HELD * cores


def _make_submit(
    ray: Any,  # noqa: ANN401
    function: Callable[[list[T]], R],
) -> Callable[[Sequence[T]], Any]:
    """Return what sends a block to the cluster and returns a reference to its answer.

    Function and blocks are sent as bytes, which Ray's processes open only after they
    have compared their versions with ours.
    """
    from ray import cloudpickle  # also takes what a script or notebook defines

    task = ray.remote(_make_task(versions())).options(
        name="pyg_sitenet", num_cpus=1, max_retries=_RETRIES
    )
    content = ray.put(cloudpickle.dumps(function))
    return lambda block: task.remote(content, pickle.dumps(list(block)))


def _make_task(
    expected: dict[str, str],
) -> Callable[[bytes, bytes], tuple[str, str, bytes]]:
    """Return what Ray's processes run, which may not have this package.

    It returns the machine's name, why the package cannot be imported, and the answer.
    """

    def task(function: bytes, block: bytes) -> tuple[str, str, bytes]:
        import socket

        host = socket.gethostname()
        try:
            from pyg_sitenet.workers.cluster_worker import answer_block
        except ImportError as error:
            return host, str(error), b""
        return host, "", answer_block(function, block, expected, host)

    return task


def _receive(ray: Any, reference: Any) -> Any:  # noqa: ANN401
    from ray.exceptions import RayError

    try:
        return _open(*ray.get(reference))
    except RayError as error:
        raise ClusterError(
            "the cluster lost its processes again and again: "
            f"{' '.join(str(error).split())[:300]}; look into its logs, or go on "
            "without it"
        ) from error


def _open(host: str, problem: str, answer: bytes) -> Any:  # noqa: ANN401
    if problem:
        raise ClusterError(
            f"the cluster's machine {host} cannot import pyg_sitenet: {problem}; "
            "install it there in the same version as here"
        )
    return open_answer(answer)


def _cancel(ray: Any, running: Iterable[Any]) -> None:  # noqa: ANN401
    """Cancel tasks that nobody waits for, with their processes.

    Without force Ray raises KeyboardInterrupt in the process, which may be at another
    task by then; a process that is killed costs that task a retry alone. Nothing is
    done after a shutdown, when any call of Ray would start a new cluster.
    """
    if ray.is_initialized():
        for reference in running:
            ray.cancel(reference, force=True)


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
        # A local cluster has no more cores than workers.
        yield Cluster(0 if address == "local" else workers)
    finally:
        ray.shutdown()


def _import_ray() -> Any:  # noqa: ANN401
    try:
        import ray
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
        named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
        if named != "auto":
            _check_address(named)
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {address!r}: {brief_line(error)}; start one"
            " with `ray start --head`, or give the address of one"
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
