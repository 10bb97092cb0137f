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
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.data.encode import encode_structure
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.data.structure import reduced_formula
from pyg_sitenet.errors import ConfigError, DataError, SiteNetWarning

# Below this many crystals the processes take longer to start than the work to do.
SMALL = 64
_CHUNK = 8

Transform = Callable[[Data], Data]
Filter = Callable[[Data], bool]
_Message = tuple[dict[str, Any], str, tuple[str, ...]] | Failure | None


class Encoded(NamedTuple):
    """A graph, the id of its crystal and what a user should know about it."""

    data: Data
    id: str
    warnings: tuple[str, ...]


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

    def __call__(self, entry: Entry | Failure) -> Encoded | Failure | None:
        """Return the graph, or why there is none; None if it was filtered out."""
        if isinstance(entry, Failure):
            return entry
        record = entry.read()
        if isinstance(record, Failure):
            return record
        try:
            data, texts = self._encode(record)
        except ConfigError:
            raise
        except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
            reason = str(error) or type(error).__name__
            return entry.fail(reason, "check the cell and the positions", "encode")
        if self.pre_filter is not None and not self.pre_filter(data):
            return None
        if self.pre_transform is not None:
            data = self.pre_transform(data)
        return Encoded(data, record.id, (*record.warnings, *texts))

    def _encode(self, record: Record) -> tuple[Data, list[str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SiteNetWarning)
            data = encode_structure(
                record.structure,
                max_atoms=self.max_atoms,
                environment=self.environment,
                primitive_tolerance=self.primitive_tolerance,
            )
        data.y = torch.tensor([list(record.targets.values())], dtype=torch.float32)
        data.id = record.id
        data.formula = reduced_formula(record.structure)
        return data, [str(one.message) for one in caught]


def encode_entries(
    entries: Iterable[Entry | Failure], encoder: Encoder, workers: int = 0
) -> Iterator[Encoded | Failure | None]:
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
) -> Iterator[Encoded | Failure | None]:
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


def _pack(result: Encoded | Failure | None) -> _Message:
    """Take a graph apart into arrays: tensors would be sent as open files."""
    if not isinstance(result, Encoded):
        return result
    values = {
        key: value.numpy() if isinstance(value, Tensor) else value
        for key, value in result.data.to_dict().items()
    }
    return values, result.id, result.warnings


def _unpack(message: _Message) -> Encoded | Failure | None:
    if not isinstance(message, tuple):
        return message
    values, id_, texts = message
    tensors = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in values.items()
    }
    return Encoded(Data.from_dict(tensors), id_, texts)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
