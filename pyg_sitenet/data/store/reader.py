"""The graphs of a data set on disk, in shards that are read as they are asked for."""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.atomic_write import DAMAGE
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.store.named_file import (
    has_digest,
    is_content_addressed,
    list_content_addressed,
    write_content_addressed,
)
from pyg_sitenet.data.store.shard import DamagedShardError, Shard

# A data set below this stays in memory once it was read; of a larger one so much does.
MEMORY = 256 * 1024**2
_OBJECTS = 8 * 1024  # bytes that a graph in memory takes beside its numbers
_OPEN = 4096  # shards, each with some kB of what is known of it
_INDEX = "index"

Repair = Callable[[int], str]


class Index(NamedTuple):
    """Names and sizes of all shards, known without opening them.

    Args:
        names: Files of the shards, in order.
        starts: Place of the first graph of each shard, then the number of graphs.
        num_sites: Unique sites of each graph, merged ones included.
        num_pairs: Pairs of each graph.
        num_bytes: Of all shards.
        ledger: What became of the inputs.
    """

    names: list[str]
    starts: NDArray[np.int64]
    num_sites: NDArray[np.int32]
    num_pairs: NDArray[np.int64]
    num_bytes: int
    ledger: Ledger


def write_index(folder: Path, shards: Iterator[Shard]) -> None:
    """Write the index of all shards; from here on the data set is complete.

    Raises:
        DataError: If the folder cannot be written.
    """
    names: list[str] = []
    counts: list[int] = [0]
    sites: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    pairs: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    num_bytes, ledger = 0, Ledger()
    for shard in shards:
        _count(shard, ledger)
        names.append(shard.path.name)
        counts.append(len(shard))
        sites.append(np.array(shard.num_sites(), np.int32))
        pairs.append(np.array(shard.num_pairs(), np.int64))
        num_bytes += shard.path.stat().st_size
    arrays: dict[str, NDArray[Any]] = {
        "starts": np.cumsum(counts, dtype=np.int64),
        "num_sites": np.concatenate(sites),
        "num_pairs": np.concatenate(pairs),
        "num_bytes": np.array([num_bytes]),
    }
    header = {"pyg_sitenet": json.dumps({"names": names, "ledger": ledger.counts()})}
    write_content_addressed(folder, _INDEX, save(arrays, header))


def read_index(folder: Path) -> Index | None:
    """Return the index of a complete data set, else None."""
    for stem, name in list_content_addressed(folder):
        if stem != _INDEX:
            continue
        content = (folder / name).read_bytes()
        if has_digest(name, content):
            try:
                return _parse_index(content)
            except (*DAMAGE, SafetensorError):
                continue  # as if it were not there
    return None


def _parse_index(content: bytes) -> Index:
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])["__metadata__"]["pyg_sitenet"]
    plain, arrays = json.loads(header), load(content)
    index = Index(
        plain["names"],
        arrays["starts"],
        arrays["num_sites"],
        arrays["num_pairs"],
        int(arrays["num_bytes"][0]),
        Ledger.from_counts(plain["ledger"]),
    )
    starts, sizes = index.starts, (index.num_sites, index.num_pairs)
    is_list = starts.ndim == 1 and len(starts) == len(index.names) + 1
    if not is_list or starts[0] != 0 or (np.diff(starts) < 0).any():
        raise ValueError("the places of the shards do not rise")
    if any(size.shape != (starts[-1],) or (size < 0).any() for size in sizes):
        raise ValueError("the sizes are not those of the graphs")
    if not all(is_content_addressed(name) for name in index.names):
        raise ValueError("the names are not those of shards")
    return index


def _count(shard: Shard, ledger: Ledger) -> None:
    ledger.add_used(shard.notes["num_crystals"], list(shard.notes["warnings"].values()))
    for values in shard.notes["failures"]:
        ledger.add_failure(Failure(**values))
    count = shard.notes["num_crystals"] + len(shard.notes["failures"])
    ledger.filtered += shard.notes["num_entries"] - count


class Store:
    """A complete data set on disk.

    The files are mapped into memory. What was read of a set below a fixed size stays
    there; of a larger one it is copied and given back, so that memory does not grow.

    Args:
        folder: Where the shards are.
        index: What :func:`read_index` found there.
        repair: Makes the shard of a number anew and returns the name of its file.
    """

    def __init__(self, folder: Path, index: Index, repair: Repair) -> None:
        self.folder = folder
        self.index = index
        self._repair = repair
        needed = index.num_bytes + _OBJECTS * len(index.num_sites)
        self._is_small = needed <= MEMORY
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._graphs: dict[int, Data] = {}
        self._looked_at = 0

    def __len__(self) -> int:
        return int(self.index.starts[-1])

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped files behind: another process maps its own."""
        empty = {"_open": OrderedDict(), "_graphs": {}, "_looked_at": 0}
        return self.__dict__ | empty

    def graph(self, position: int) -> Data:
        """Return a graph by its place in the data set.

        Raises:
            DataError: If its shard is damaged and cannot be made anew.
        """
        if position in self._graphs:
            return copy.copy(self._graphs[position])
        number, place = self.locate(position)
        graph = self.shard(number).graph(place)
        if self._is_small:
            self._graphs[position] = graph
            return copy.copy(graph)
        graph = graph.clone()
        self._count(graph)
        return graph

    def shard(self, number: int) -> Shard:
        """Return a shard, made anew if it is damaged."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        try:
            shard = Shard(self.folder / self.index.names[number])
        except DamagedShardError:
            self.index.names[number] = self._repair(number)
            shard = Shard(self.folder / self.index.names[number])
        self._open[number] = shard
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return shard

    def shards(self) -> Iterator[Shard]:
        """Yield all shards in order, one after the other."""
        for number in range(len(self.index.names)):
            shard = self.shard(number)
            yield shard
            if not self._is_small:
                shard.forget()

    def failures(self) -> Iterator[Failure]:
        """Yield every input that could not be used."""
        for shard in self.shards():
            for values in shard.notes["failures"]:
                yield Failure(**values)

    def warnings(self) -> Iterator[tuple[str, list[str]]]:
        """Yield id and warnings of crystals that are used nevertheless."""
        for shard in self.shards():
            yield from sorted(shard.notes["warnings"].items())

    def joined(self, key: str) -> Tensor:
        """Return an attribute of all graphs, joined along its first dimension."""
        return torch.cat([shard.column(key) for shard in self.shards() if len(shard)])

    def ids(self) -> list[str]:
        """Return the id of the crystal of each graph."""
        return [id_ for shard in self.shards() for id_ in shard.notes["ids"]]

    def locate(self, position: int) -> tuple[int, int]:
        """Return the shard of a graph, and its place there."""
        starts = self.index.starts
        number = int(np.searchsorted(starts, position, side="right")) - 1
        return number, position - int(starts[number])

    def _count(self, graph: Data) -> None:
        """Give memory back whenever so much was looked at."""
        values = graph.to_dict().values()
        self._looked_at += sum(v.nbytes for v in values if isinstance(v, Tensor))
        if self._looked_at > MEMORY:
            self._looked_at = 0
            for shard in self._open.values():
                shard.forget()
