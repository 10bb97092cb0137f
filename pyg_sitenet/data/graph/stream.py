"""Reading and encoding crystals on all cores, in the order of the source."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.plain_form import from_plain, to_plain
from pyg_sitenet.data.records import Failure
from pyg_sitenet.workers.cores import num_processes
from pyg_sitenet.workers.pool import CHUNK, Lost, Pool
from pyg_sitenet.workers.pool_worker import Raised

Result = Encoded | Failure | None
# Arrays instead of the graph's tensors, which would be sent as open files.
Message = tuple[list[dict[str, Any]], Encoded] | Failure | None

_AHEAD = 4 * CHUNK  # items begun for each process before the first one is asked for


class _Half(NamedTuple):
    """A bfloat16 tensor."""

    bits: NDArray[np.int16]


class _TimeOverError(BaseException):
    """The time limit has passed; no Exception, since libraries catch those."""


def encode_entries(
    entries: Iterable[Item],
    encoder: Encoder,
    workers: int = 0,
    time_limit: float | None = None,
) -> Iterator[Result]:
    """Encode a stream of any length, each result in the place of its entry.

    The crystals are encoded in other processes, even if it is one: a crystal that takes
    longer than the limit, or whose process dies twice, becomes a failure, wherever it
    hangs, and the others go on. Within a process that must not start others (such as
    one of a loader) they are encoded here, see :func:`encode_here`.

    Args:
        entries: What to read; also records, read already.
        encoder: What to do with each.
        workers: Processes; 0 takes one per core.
        time_limit: Seconds a crystal may take; None for no limit.

    Raises:
        DataError: If processes cannot be started.
        ConfigError: If a setting of the encoder is wrong.
        Exception: What a transform of the encoder raised, after all results before it.
    """
    if multiprocessing.current_process().daemon:
        yield from encode_here(entries, encoder, time_limit)
        return
    workers = num_processes(workers)
    waiting: dict[int, Item] = {}
    answers: dict[int, Message | Lost | Raised] = {}
    upcoming, position = iter(entries), 0
    with Pool(partial(_encode_packed, encoder), workers, time_limit) as pool:
        while True:
            while len(waiting) < _AHEAD * workers:
                item = next(upcoming, None)
                if item is None:
                    break
                waiting[pool.submit(item)] = item
            if not waiting:
                return
            answers.update(pool.answers())
            while position in answers:
                yield unpack(answers.pop(position), waiting.pop(position))
                position += 1


def _encode_packed(encoder: Encoder, item: Item) -> Message:
    """Return the graph as arrays, which are cheap to send between processes."""
    return pack(encoder(item))


def encode_here(
    entries: Iterable[Item], encoder: Encoder, time_limit: float | None = None
) -> Iterator[Result]:
    """Encode in this process, for a few crystals that are in memory already.

    The limit is kept by an interval timer, which Python heeds between two of its
    instructions: code that hangs in a library's compiled function is not interrupted.
    Timers need the main thread of a system that has them; elsewhere there is no limit.
    """
    for item in entries:
        yield _encode_in_time(item, encoder, time_limit)


def pack(result: Result) -> Message:
    """Return a graph as arrays, which hold no more than their own part of a file."""
    if not isinstance(result, Encoded):
        return result
    values = [_as_arrays(graph) for graph in result.graphs]
    return values, result._replace(data=Data(), others=())


def unpack(message: Message | Lost | Raised, item: Item) -> Result:
    """Return the graph of a message, or the failure if it was lost; raise an error."""
    if isinstance(message, Raised):
        message.again()
    if isinstance(message, Lost):
        return _fail(message, item)
    if not isinstance(message, tuple):
        return message
    values, encoded = message
    data, *others = map(_as_graph, values)
    return encoded._replace(data=data, others=tuple(others))


def _as_arrays(graph: Data) -> dict[str, Any]:
    return {
        key: _as_array(value) if isinstance(value, Tensor) else value
        for key, value in to_plain(graph).to_dict().items()
    }


def _as_array(tensor: Tensor) -> NDArray[Any] | _Half:
    if tensor.dtype == torch.bfloat16:  # which NumPy does not have
        return _Half(tensor.view(torch.int16).numpy())
    return np.asarray(tensor.numpy())


def _as_graph(values: dict[str, Any]) -> Data:
    return from_plain(Data.from_dict({k: _as_value(v) for k, v in values.items()}))


def _as_value(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, _Half):
        return torch.from_numpy(value.bits).view(torch.bfloat16)
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _encode_in_time(item: Item, encoder: Encoder, limit: float | None) -> Result:
    has_timer = hasattr(signal, "setitimer")
    is_main = threading.current_thread() is threading.main_thread()
    if limit is None or not has_timer or not is_main:
        return encoder(item)
    before = signal.signal(signal.SIGALRM, _stop)
    # The timer is off before the result is returned, and once more before the handler
    # is taken away: an alarm in between would end the process.
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        result = encoder(item)
        signal.setitimer(signal.ITIMER_REAL, 0)
        return result
    except _TimeOverError:
        return _fail(Lost("", limit), item)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _TimeOverError


def _fail(lost: Lost, item: Item) -> Failure:
    if lost.seconds is None:
        reason = f"the process that read and encoded it {lost.reason}, twice"
        remedy = "check the structure, make its cell smaller, or free memory"
    else:
        reason = f"not read and encoded within {lost.seconds:g} seconds"
        remedy = "raise data.time_limit, or make its cell smaller"
    return Failure(item.origin, item.id, "encode", reason, remedy)
