"""The shards of a data set, encoded and written by the processes of a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.stream import Message, pack, unpack
from pyg_sitenet.data.store.shard import Written, write_shard
from pyg_sitenet.workers.pool import CHUNK, Lost, Pool
from pyg_sitenet.workers.pool_worker import Raised

_AHEAD = 2 * CHUNK  # items given to each process before an answer is waited for


class _OpenShard(NamedTuple):
    """A shard and those of its crystals that are encoded, by their place in it."""

    number: int
    items: list[Item]
    messages: dict[int, Message | Lost]


@dataclass(frozen=True)
class PoolWork:
    """What a process is to do: encode a crystal, or write a shard.

    Args:
        encoder: Makes the graphs.
        folder: Where shards are written.
    """

    encoder: Encoder
    folder: Path

    def __call__(self, task: Item | _OpenShard) -> Message | str:
        """Return the message of a crystal, or the name of the shard's file."""
        if not isinstance(task, _OpenShard):
            return pack(self.encoder(task))
        results = [unpack(task.messages[k], item) for k, item in enumerate(task.items)]
        return write_shard(self.folder, task.number, results)


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


@dataclass
class _ShardsUnderWay:
    """Which crystal of which shard each job of a pool belongs to.

    A crystal is a job; the last one of a shard makes the writing of that shard a job
    of the same pool, so that the main process neither encodes nor compresses.
    """

    pool: Pool[Item | _OpenShard, Message | str]
    work: PoolWork
    advance: Callable[[int], None]
    shards: dict[int, _OpenShard] = field(default_factory=dict)
    # By their jobs: a shard and a place in it, and a shard.
    encoding: dict[int, tuple[int, int]] = field(default_factory=dict)
    writing: dict[int, _OpenShard] = field(default_factory=dict)
    # Of a shard, at its place.
    raised: dict[tuple[int, int], Raised] = field(default_factory=dict)

    def begin(self, number: int, items: list[Item]) -> None:
        """Give the crystals of a shard to the pool."""
        self.shards[number] = _OpenShard(number, items, {})
        for place, item in enumerate(items):
            self.encoding[self.pool.submit(item)] = number, place

    def work_down_to(self, limit: int) -> Iterator[Written]:
        """Work until no more than so many jobs are open; yield what is written."""
        while self.pool.num_open > limit:
            written: list[Written] = []
            for job, answer in self.pool.answers():
                if job in self.writing:
                    written.append(self._finish(self.writing.pop(job), answer))
                else:
                    self._take(*self.encoding.pop(job), answer)
            yield from written
            if self.raised:
                self._raise_in_turn()

    def _take(
        self, number: int, place: int, answer: Message | str | Lost | Raised
    ) -> None:
        self.advance(1)
        if isinstance(answer, Raised):
            self.raised[number, place] = answer
            return
        shard = self.shards[number]
        if not isinstance(answer, str):
            shard.messages[place] = answer
        if len(shard.messages) == len(shard.items):
            self.writing[self.pool.submit(shard)] = self.shards.pop(number)

    def _raise_in_turn(self) -> None:
        first = min(self.raised)
        unwritten = [(shard.number, 0) for shard in self.writing.values()]
        if not any(job < first for job in [*self.encoding.values(), *unwritten]):
            self.raised[first].again()

    def _finish(
        self, task: _OpenShard, answer: Message | str | Lost | Raised
    ) -> Written:
        if isinstance(answer, Raised):
            answer.again()
        # Lost: a disk slower than the limit of a crystal. That is no reason to lose
        # what is encoded, so it is written here, without a limit.
        name = answer if isinstance(answer, str) else self.work(task)
        return Written(task.number, len(task.items), str(name))
