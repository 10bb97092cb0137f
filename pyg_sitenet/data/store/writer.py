"""Building a data set on disk by one or several processes, each shard once.

The protocol, which every process on a folder follows on its own:

1. *Look*: take over all shards that are in the folder and whole. Shards are
   content-addressed and renamed into place, so what has a name is complete, and the
   same entries give the same name and bytes whoever encodes them.
2. *Claim*: go through the entries of the source. For each shard that is missing, lock
   its number (:class:`Claims`; the system frees it when the process dies). If another
   process has the lock, leave the shard to it.
3. *Look again*, under the lock: the shard may have been written since step 1.
4. *Write* the shard, then release the lock.
5. *Wait* until one of the shards left to others can be locked: it was written, or its
   process died. Then go on with step 2, until none was left to others.
6. *Index*: all shards are there. Every process writes the index; it is the same.

Without locks (Windows, some network disks) every claim is granted: shards are then
encoded more than once, to the same bytes. A process killed at any moment leaves whole
shards and ``.part`` files; the latter are removed with step 6.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.stream import encode_entries
from pyg_sitenet.data.store.claims import Claims
from pyg_sitenet.data.store.named_file import (
    UNWRITABLE,
    list_content_addressed,
    remove_unfinished,
)
from pyg_sitenet.data.store.reader import write_index
from pyg_sitenet.data.store.shard import (
    SHARD_SIZE,
    DamagedShardError,
    Shard,
    Written,
    write_shard,
)
from pyg_sitenet.data.store.shards_in_pool import PoolWork, write_shards_in_pool
from pyg_sitenet.data.store.shards_on_cluster import ShardWork, write_shards_on_cluster
from pyg_sitenet.errors import reporting_os_error
from pyg_sitenet.workers.cluster import Cluster
from pyg_sitenet.workers.cores import num_processes

_CLAIMS = ".claims"
_PATIENCE = 0.1  # seconds between looks at what another process has done


@dataclass
class Builder:
    """Writes those shards of a source that are not there yet.

    Several processes may build one folder at the same time and share the work (see the
    top of this file). What is written depends neither on their number nor on
    interruptions.

    Args:
        folder: Where the shards go.
        make_entries: Starts a pass over what is to be encoded.
        encoder: Makes the graphs.
        workers: Processes; 0 takes one per core.
        time_limit: Seconds a crystal may take; None for no limit.
        advance: Told of so many more entries that are done.
        cluster: Where to encode, if not here; shards are written here.
    """

    folder: Path
    make_entries: Callable[[], Iterator[Item]]
    encoder: Encoder
    workers: int = 0
    time_limit: float | None = None
    advance: Callable[[int], None] = lambda _: None
    cluster: Cluster | None = None
    _names: dict[int, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.workers = num_processes(self.workers)

    def build(self) -> None:
        """Write what is missing, then the index.

        Raises:
            DataError: If the folder cannot be written, or processes cannot be started.
        """
        with self._open_claims() as claims:
            self._find()
            while others := self._pass(claims):
                self._wait_for(others, claims)
        names = (self._names[number] for number in sorted(self._names))
        write_index(self.folder, (Shard(self.folder / name) for name in names))
        remove_unfinished(self.folder)
        (self.folder / _CLAIMS).unlink(missing_ok=True)

    def _open_claims(self) -> Claims:
        # Only this is wrapped: what fails while crystals are read and encoded has
        # another remedy than another folder.
        remedy = "choose a folder you may write to"
        with reporting_os_error(self.folder, remedy, what=UNWRITABLE):
            self.folder.mkdir(parents=True, exist_ok=True)
            return Claims(self.folder / _CLAIMS)

    def rebuild(self, number: int) -> str:
        """Write one shard and return the name of its file."""
        start = number * SHARD_SIZE
        items = list(islice(self.make_entries(), start, start + SHARD_SIZE))
        return self._write_alone(number, items)

    def _find(self) -> None:
        """Take over the shards that are there and whole."""
        for stem, name in list_content_addressed(self.folder):
            if not stem.isdigit() or int(stem) in self._names:
                continue
            try:
                shard = Shard(self.folder / name)
            except DamagedShardError:
                (self.folder / name).unlink(missing_ok=True)
                continue
            self._names[int(stem)] = name
            self.advance(shard.notes["num_entries"])

    def _pass(self, claims: Claims) -> set[int]:
        """Go through all entries; return the shards that other processes work at."""
        others: set[int] = set()
        for shard in self._write(self._missing(claims, others)):
            self._names[shard.number] = shard.name
            claims.release(shard.number)
        return others

    def _write(self, missing: Iterator[tuple[int, list[Item]]]) -> Iterator[Written]:
        """Encode and write shards: on a cluster, in this process, or in a pool."""
        if self.cluster is not None:
            work = ShardWork(self.encoder, self.time_limit)
            shards = write_shards_on_cluster(self.cluster, self.folder, work, missing)
            yield from self._count(shards)
        elif multiprocessing.current_process().daemon:  # may not start others
            yield from self._count(self._write_here(missing))
        else:
            pool_work = PoolWork(self.encoder, self.folder)
            yield from write_shards_in_pool(
                pool_work, missing, self.workers, self.time_limit, self.advance
            )

    def _write_here(
        self, missing: Iterator[tuple[int, list[Item]]]
    ) -> Iterator[Written]:
        for number, items in missing:
            yield Written(number, len(items), self._write_alone(number, items))

    def _count(self, shards: Iterator[Written]) -> Iterator[Written]:
        for shard in shards:
            self.advance(shard.num_entries)
            yield shard

    def _missing(
        self, claims: Claims, others: set[int]
    ) -> Iterator[tuple[int, list[Item]]]:
        """Claim and yield shards that are not there; add to ``others`` what is taken.

        Whole shards that appeared in the meantime are taken over.
        """
        for number, items in enumerate(_split(self.make_entries())):
            if number in self._names:
                continue
            if not claims.claim(number):
                others.add(number)
                continue
            # Its writer may have finished between our look at the folder and the claim.
            # Looking again under the claim is what makes the work not done twice.
            if self._take_over(number):
                claims.release(number)
                self.advance(len(items))
            else:
                yield number, items

    def _take_over(self, number: int) -> bool:
        for path in sorted(self.folder.glob(f"{number:06d}-*.safetensors")):
            self._names[number] = path.name
            return True
        return False

    def _wait_for(self, others: set[int], claims: Claims) -> None:
        """Wait until another process has finished, or given up, one of its shards."""
        while True:
            for number in others:
                if claims.claim(number):
                    claims.release(number)
                    return
            time.sleep(_PATIENCE)

    def _write_alone(self, number: int, items: list[Item]) -> str:
        results = encode_entries(items, self.encoder, self.workers, self.time_limit)
        return write_shard(self.folder, number, list(results))


def _split(entries: Iterable[Item]) -> Iterator[list[Item]]:
    upcoming = iter(entries)
    while items := list(islice(upcoming, SHARD_SIZE)):
        yield items
