"""The shards of a data set, encoded on a cluster and written here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.shipping import inline_files
from pyg_sitenet.data.graph.stream import encode_entries
from pyg_sitenet.data.store.shard import Written, shard_bytes, write_shard_bytes
from pyg_sitenet.workers.cluster import Cluster


@dataclass(frozen=True)
class ShardWork:
    """Encodes the crystals of a shard to the bytes of its file, on a cluster.

    Args:
        encoder: Makes the graphs.
        time_limit: Seconds a crystal may take; None for no limit.
    """

    encoder: Encoder
    time_limit: float | None

    def __call__(self, items: list[Item]) -> bytes:
        """Return what the shard's file is to hold."""
        # In a process of its own: one that hangs or dies costs its crystal alone.
        results = encode_entries(items, self.encoder, 1, self.time_limit)
        return shard_bytes(list(results))


def write_shards_on_cluster(
    cluster: Cluster,
    folder: Path,
    work: ShardWork,
    missing: Iterable[tuple[int, list[Item]]],
) -> Iterator[Written]:
    """Let a cluster encode shards, and write them one after the other.

    Args:
        cluster: Where to encode.
        folder: Where to write.
        work: How to encode.
        missing: Numbers and entries of the shards, of which few are held at a time.

    Raises:
        ClusterError: If the cluster cannot do the work.
        DataError: If the folder cannot be written.
    """
    begun: deque[tuple[int, int]] = deque()

    def shards() -> Iterator[list[Item]]:
        for number, items in missing:
            begun.append((number, len(items)))
            yield [inline_files(item, work.encoder) for item in items]

    for content in cluster.map(work, shards()):
        number, num_entries = begun.popleft()
        name = write_shard_bytes(folder, number, content)
        yield Written(number, num_entries, name)
