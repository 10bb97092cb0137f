"""Reading and encoding crystals on all cores, in the order of the source."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.data.encode import encode_structure
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.errors import ConfigError, DataError

# Below this many crystals the processes take longer to start than the work to do.
SMALL = 64
_CHUNK = 8

Transform = Callable[[Data], Data]
Filter = Callable[[Data], bool]
_Message = dict[str, Any] | Failure | None


@dataclass(frozen=True)
class Encoder:
    """Makes the graph of an entry: read, encode, label, filter, transform.

    Args:
        max_atoms: Atoms of the environment at most.
        environment: Kind of environment.
        primitive_tolerance: Symmetry tolerance in angstrom.
        pre_filter: Says which graphs to keep.
        pre_transform: Applied to each graph that is kept.
    """

    max_atoms: int = 100
    environment: str = "supercell"
    primitive_tolerance: float = 0.1
    pre_filter: Filter | None = None
    pre_transform: Transform | None = None

    def __call__(self, entry: Entry | Failure) -> Data | Failure | None:
        """Return the graph, or why there is none; None if it was filtered out."""
        record = entry.read() if isinstance(entry, Entry) else entry
        if isinstance(record, Failure) or isinstance(entry, Failure):
            return record if isinstance(record, Failure) else None
        try:
            data = encode_structure(
                record.structure,
                max_atoms=self.max_atoms,
                environment=self.environment,
                primitive_tolerance=self.primitive_tolerance,
            )
        except ConfigError:
            raise
        except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
            reason = str(error) or type(error).__name__
            return entry.fail(reason, "check the cell and the positions", "encode")
        data.y = torch.tensor([list(record.targets.values())], dtype=torch.float32)
        data.id = record.id
        data.formula = record.structure.composition.reduced_formula
        if self.pre_filter is not None and not self.pre_filter(data):
            return None
        return data if self.pre_transform is None else self.pre_transform(data)


def encode_entries(
    entries: Iterable[Entry | Failure], encoder: Encoder, workers: int = 0
) -> Iterator[Data | Failure | None]:
    """Encode entries, each result in the place of its entry.

    Args:
        entries: What to read.
        encoder: What to do with each.
        workers: Processes; 0 takes one per core. Few crystals need none.

    Raises:
        DataError: If a process dies, which nothing but the system can do to it.
    """
    entries = iter(entries)
    first = list(islice(entries, SMALL))
    everything = chain(first, entries)
    workers = workers or _num_cores()
    if workers == 1 or len(first) < SMALL:
        return map(encoder, everything)
    return _in_processes(everything, encoder, workers)


def _in_processes(
    entries: Iterator[Entry | Failure], encoder: Encoder, workers: int
) -> Iterator[Data | Failure | None]:
    waiting: deque[Future[list[_Message]]] = deque()
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context(), _start_worker, (encoder,)
    ) as pool:
        try:
            while chunk := list(islice(entries, _CHUNK)):
                with warnings.catch_warnings():
                    # Forking a process with threads is warned about; ours only ever
                    # compute on one thread, as those of PyTorch's loaders.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    waiting.append(pool.submit(_encode_chunk, chunk))
                if len(waiting) > 4 * workers:
                    yield from map(_unpack, waiting.popleft().result())
            while waiting:
                yield from map(_unpack, waiting.popleft().result())
        except BrokenProcessPool as error:
            raise DataError(
                "a process that encodes crystals died (out of memory, or started from "
                'a script without `if __name__ == "__main__":`); try `workers=1`'
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_encoder: Encoder | None = None


def _start_worker(encoder: Encoder) -> None:
    global _encoder
    _encoder = encoder
    torch.set_num_threads(1)


def _encode_chunk(entries: list[Entry | Failure]) -> list[_Message]:
    if _encoder is None:
        raise RuntimeError("the worker was not started")
    return [_pack(_encoder(entry)) for entry in entries]


def _pack(result: Data | Failure | None) -> _Message:
    """Take a graph apart into arrays: tensors would be sent as open files."""
    if not isinstance(result, Data):
        return result
    return {
        key: value.numpy() if isinstance(value, Tensor) else value
        for key, value in result.to_dict().items()
    }


def _unpack(message: _Message) -> Data | Failure | None:
    if not isinstance(message, dict):
        return message
    return Data.from_dict(
        {
            key: torch.from_numpy(value) if hasattr(value, "dtype") else value
            for key, value in message.items()
        }
    )


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
