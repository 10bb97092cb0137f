"""Writing the shards of a data set: in parallel, once, and on where it stopped."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.stream import (
    Message,
    PackedEncoder,
    encode_entries,
    unpack,
)
from pyg_sitenet.data.store.claims import Claims
from pyg_sitenet.data.store.named_file import find_named, remove_unfinished
from pyg_sitenet.data.store.reader import write_index
from pyg_sitenet.data.store.shard import (
    SHARD_SIZE,
    DamagedShardError,
    Shard,
    write_shard,
)
from pyg_sitenet.data.store.shards_on_cluster import ShardWork, write_shards
from pyg_sitenet.errors import DataError
from pyg_sitenet.workers.cluster import Cluster
from pyg_sitenet.workers.pool import CHUNK, Lost, Pool, num_cores

_AHEAD = 2 * CHUNK  # items given to each process before an answer is waited for
_CLAIMS = ".claims"
_PATIENCE = 0.1  # seconds between looks at what another process has done

MakeEntries = Callable[[], Iterator[Item]]
Advance = Callable[[int], None]


class _Writing(NamedTuple):
    """A shard whose crystals are all encoded."""

    number: int
    items: list[Item]
    messages: list[Message | Lost]


@dataclass(frozen=True)
class Work:
    """What a process is to do: encode a crystal, or write a shard.

    Args:
        encoder: What makes the graphs.
        folder: Where shards are written.
    """

    encoder: Encoder
    folder: Path

    def __call__(self, task: Item | _Writing) -> Message | str:
        """Return the message of a crystal, or the name of the shard's file."""
        if not isinstance(task, _Writing):
            return PackedEncoder(self.encoder)(task)
        results = map(unpack, task.messages, task.items)
        return write_shard(self.folder, task.number, list(results))


@dataclass
class _Part:
    """A shard some of whose crystals are encoded."""

    items: list[Item]
    found: dict[int, Message | Lost] = field(default_factory=dict)


class Builder:
    """Writes those shards of a source that are not there yet.

    Several processes may build one folder at the same time and share the work. What is
    written does not depend on their number, nor on interruptions.

    Args:
        folder: Where the shards go.
        make_entries: Starts a pass over what is to be encoded.
        encoder: What makes the graphs.
        workers: Processes; 0 takes one per core.
        time_limit: Seconds a crystal may take; None for no limit.
        advance: Told of so many more entries that are done.
        cluster: Where to encode, if not here; shards are written here.
    """

    def __init__(
        self,
        folder: Path,
        make_entries: MakeEntries,
        encoder: Encoder,
        *,
        workers: int = 0,
        time_limit: float | None = None,
        advance: Advance = lambda _: None,
        cluster: Cluster | None = None,
    ) -> None:
        self._folder = folder
        self._make_entries = make_entries
        self._work = Work(encoder, folder)
        self._workers = workers or num_cores()
        self._time_limit = time_limit
        self._advance = advance
        self._cluster = cluster
        self._names: dict[int, str] = {}

    def build(self) -> None:
        """Write what is missing, then the index.

        Raises:
            DataError: If the folder cannot be written, or processes cannot be started.
        """
        with self._open_claims() as claims:
            self._find()
            while left := self._pass(claims):
                self._wait_for(left, claims)
        names = (self._names[number] for number in sorted(self._names))
        write_index(self._folder, (Shard(self._folder / name) for name in names))
        remove_unfinished(self._folder)
        (self._folder / _CLAIMS).unlink(missing_ok=True)

    def _open_claims(self) -> Claims:
        # Only this is wrapped: what fails while crystals are read and encoded has
        # another remedy than another folder.
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return Claims(self._folder / _CLAIMS)
        except OSError as error:
            raise DataError(
                f"{self._folder}: cannot write the encoded crystals: {error.strerror}; "
                "choose a folder you may write to"
            ) from error

    def rebuild(self, number: int) -> str:
        """Write one shard and return the name of its file."""
        start = number * SHARD_SIZE
        items = list(islice(self._make_entries(), start, start + SHARD_SIZE))
        return self._write_alone(number, items)

    def _find(self) -> None:
        """Take over the shards that are there and whole."""
        for stem, name in find_named(self._folder):
            if not stem.isdigit() or int(stem) in self._names:
                continue
            try:
                shard = Shard(self._folder / name)
            except DamagedShardError:
                (self._folder / name).unlink(missing_ok=True)
                continue
            self._names[int(stem)] = name
            self._advance(shard.notes["num_entries"])

    def _pass(self, claims: Claims) -> set[int]:
        """Go through all entries; return the shards that other processes work at."""
        left: set[int] = set()
        if self._cluster is not None:
            self._pass_on(self._cluster, claims, left)
            return left
        if multiprocessing.current_process().daemon:
            for number, items in self._missing(claims, left):
                self._names[number] = self._write_alone(number, items)
            return left
        with Pool(self._work, self._workers, self._time_limit) as pool:
            run = _Run(pool, self._work, self._names, claims, self._advance)
            for number, items in self._missing(claims, left):
                run.add(number, items)
                run.work_down_to(_AHEAD * self._workers)
            run.work_down_to(0)
        return left

    def _pass_on(self, cluster: Cluster, claims: Claims, left: set[int]) -> None:
        """Let a cluster encode what is missing."""
        work = ShardWork(self._work.encoder, self._time_limit)
        missing = self._missing(claims, left)
        for done in write_shards(cluster, self._folder, work, missing):
            self._names[done.number] = done.name
            claims.release(done.number)
            self._advance(done.num_entries)

    def _missing(
        self, claims: Claims, left: set[int]
    ) -> Iterator[tuple[int, list[Item]]]:
        for number, items in enumerate(_split(self._make_entries())):
            if number in self._names:
                continue
            if not claims.claim(number):
                left.add(number)
                continue
            # It may have been written since we looked.
            self._find_one(number, len(items))
            if number in self._names:
                claims.release(number)
            else:
                yield number, items

    def _find_one(self, number: int, num_entries: int) -> None:
        for path in sorted(self._folder.glob(f"{number:06d}-*.safetensors")):
            self._names[number] = path.name
            self._advance(num_entries)
            return

    def _wait_for(self, left: set[int], claims: Claims) -> None:
        """Wait until the others have written their shards, or left one."""
        while True:
            for number in left:
                if claims.claim(number):
                    claims.release(number)
                    return
            time.sleep(_PATIENCE)

    def _write_alone(self, number: int, items: list[Item]) -> str:
        encoder, limit = self._work.encoder, self._time_limit
        results = encode_entries(items, encoder, self._workers, limit)
        return write_shard(self._folder, number, list(results))


class _Run:
    """Shards under way in a pool."""

    def __init__(
        self,
        pool: Pool[Item | _Writing, Message | str],
        work: Work,
        names: dict[int, str],
        claims: Claims,
        advance: Advance,
    ) -> None:
        self._pool = pool
        self._work = work
        self._names = names
        self._claims = claims
        self._advance = advance
        self._parts: dict[int, _Part] = {}
        self._encoding: dict[int, tuple[int, int]] = {}  # job: shard and place in it
        self._writing: dict[int, _Writing] = {}

    def add(self, number: int, items: list[Item]) -> None:
        """Begin a shard."""
        self._parts[number] = _Part(items)
        for place, item in enumerate(items):
            self._encoding[self._pool.submit(item)] = number, place

    def work_down_to(self, limit: int) -> None:
        """Work until no more than so many items are open."""
        while self._pool.num_open > limit:
            for job, answer in self._pool.answers():
                if job in self._writing:
                    self._finish(self._writing.pop(job), answer)
                else:
                    self._take(*self._encoding.pop(job), answer)

    def _take(self, number: int, place: int, answer: Message | str | Lost) -> None:
        part = self._parts[number]
        if not isinstance(answer, str):
            part.found[place] = answer
        self._advance(1)
        if len(part.found) == len(part.items):
            messages = [part.found[k] for k in range(len(part.items))]
            task = _Writing(number, part.items, messages)
            self._writing[self._pool.submit(task)] = task
            del self._parts[number]

    def _finish(self, task: _Writing, answer: Message | str | Lost) -> None:
        # A slow disk is no reason to lose what is done.
        name = answer if isinstance(answer, str) else self._work(task)
        self._names[task.number] = str(name)
        self._claims.release(task.number)


def _split(entries: Iterable[Item]) -> Iterator[list[Item]]:
    upcoming = iter(entries)
    while items := list(islice(upcoming, SHARD_SIZE)):
        yield items
