"""The shards of a data set, encoded and written by the processes of a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.stream import Message, PackedEncoder, unpack
from pyg_sitenet.data.store.shard import Written, write_shard
from pyg_sitenet.workers.pool import CHUNK, Lost, Pool
from pyg_sitenet.workers.pool_worker import Raised

_AHEAD = 2 * CHUNK  # items given to each process before an answer is waited for


class _EncodedShard(NamedTuple):
    """A shard whose crystals are all encoded, and which is to be written."""

    number: int
    items: list[Item]
    messages: list[Message | Lost]


@dataclass(frozen=True)
class PoolWork:
    """What a process is to do: encode a crystal, or write a shard.

    Args:
        encoder: Makes the graphs.
        folder: Where shards are written.
    """

    encoder: Encoder
    folder: Path

    def __call__(self, task: Item | _EncodedShard) -> Message | str:
        """Return the message of a crystal, or the name of the shard's file."""
        if not isinstance(task, _EncodedShard):
            return PackedEncoder(self.encoder)(task)
        results = map(unpack, task.messages, task.items)
        return write_shard(self.folder, task.number, list(results))


@dataclass
class _OpenShard:
    """A shard some of whose crystals are encoded, by their place in it."""

    items: list[Item]
    messages: dict[int, Message | Lost] = field(default_factory=dict)


def write_shards_in_pool(
    work: PoolWork,
    missing: Iterable[tuple[int, list[Item]]],
    workers: int,
    time_limit: float | None,
    advance: Callable[[int], None],
) -> Iterator[Written]:
    """Let processes encode and write shards, and yield each when it is on the disk.

    Args:
        work: How to encode, and where to write.
        missing: Numbers and entries of the shards, of which few are held at a time.
        workers: Processes.
        time_limit: Seconds a crystal may take; None for no limit.
        advance: Told of so many more entries that are encoded.

    Raises:
        DataError: If the folder cannot be written, or processes cannot be started.
        Exception: What a transform of the encoder raised for a crystal, once all
            before it are encoded and the shards before its own are on the disk.
    """
    with Pool(work, workers, time_limit) as pool:
        shards = _ShardsUnderWay(pool, work, advance)
        for number, items in missing:
            shards.begin(number, items)
            yield from shards.work_down_to(_AHEAD * workers)
        yield from shards.work_down_to(0)


class _ShardsUnderWay:
    """Which crystal of which shard each job of a pool belongs to.

    A crystal is a job; the last one of a shard makes the writing of that shard a job
    of the same pool, so that the main process neither encodes nor compresses.
    """

    def __init__(
        self,
        pool: Pool[Item | _EncodedShard, Message | str],
        work: PoolWork,
        advance: Callable[[int], None],
    ) -> None:
        self._pool = pool
        self._work = work
        self._advance = advance
        self._shards: dict[int, _OpenShard] = {}
        self._encoding: dict[int, tuple[int, int]] = {}  # job: shard and place in it
        self._writing: dict[int, _EncodedShard] = {}  # job: shard
        self._raised: dict[tuple[int, int], Raised] = {}  # of a shard, at its place

    def begin(self, number: int, items: list[Item]) -> None:
        """Give the crystals of a shard to the pool."""
        self._shards[number] = _OpenShard(items)
        for place, item in enumerate(items):
            self._encoding[self._pool.submit(item)] = number, place

    def work_down_to(self, limit: int) -> Iterator[Written]:
        """Work until no more than so many jobs are open; yield what is written."""
        while self._pool.num_open > limit:
            written: list[Written] = []
            for job, answer in self._pool.answers():
                if job in self._writing:
                    written.append(self._finish(self._writing.pop(job), answer))
                else:
                    self._take(*self._encoding.pop(job), answer)
            yield from written
            if self._raised:
                self._raise_in_turn()

    def _take(
        self, number: int, place: int, answer: Message | str | Lost | Raised
    ) -> None:
        self._advance(1)
        if isinstance(answer, Raised):
            self._raised[number, place] = answer
            return
        shard = self._shards[number]
        if not isinstance(answer, str):
            shard.messages[place] = answer
        if len(shard.messages) == len(shard.items):
            messages = [shard.messages[k] for k in range(len(shard.items))]
            task = _EncodedShard(number, shard.items, messages)
            self._writing[self._pool.submit(task)] = task
            del self._shards[number]

    def _raise_in_turn(self) -> None:
        first = min(self._raised)
        unwritten = [(shard.number, 0) for shard in self._writing.values()]
        if not any(job < first for job in [*self._encoding.values(), *unwritten]):
            self._raised[first].again()

    def _finish(
        self, task: _EncodedShard, answer: Message | str | Lost | Raised
    ) -> Written:
        if isinstance(answer, Raised):
            answer.again()
        # Lost: a disk slower than the limit of a crystal. That is no reason to lose
        # what is encoded, so it is written here, without a limit.
        name = answer if isinstance(answer, str) else self._work(task)
        return Written(task.number, len(task.items), str(name))
