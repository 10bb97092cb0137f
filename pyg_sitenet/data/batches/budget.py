"""Batches of a stream: each within the budget of sites and pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from torch_geometric.data import Data

from pyg_sitenet.data.graph.encoder import Encoded
from pyg_sitenet.data.records import Failure

G = TypeVar("G", Data, Encoded | Failure)


def cut(items: Iterable[G], max_sites: int, max_pairs: int) -> Iterator[list[G]]:
    """Cut a sequence so that each part stays within the budget, or is one item."""
    waiting: list[G] = []
    sites = pairs = 0
    for item in items:
        num_sites, num_pairs = _size(item)
        sites, pairs = sites + num_sites, pairs + num_pairs
        if waiting and (sites > max_sites or pairs > max_pairs):
            yield waiting
            waiting, sites, pairs = [], num_sites, num_pairs
        waiting.append(item)
    yield waiting


def _size(item: Data | Encoded | Failure) -> tuple[int, int]:
    if isinstance(item, Failure):
        return 0, 0
    graphs = item.graphs if isinstance(item, Encoded) else (item,)
    return sum(len(one.z) for one in graphs), sum(one.num_edges for one in graphs)
