"""Cutting a stream into batches within a budget of sites and pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from torch_geometric.data import Data

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.records import Failure

T = TypeVar("T")


def cut(
    items: Iterable[T],
    size: Callable[[T], tuple[int, int]],
    max_sites: int,
    max_pairs: int,
) -> Iterator[list[T]]:
    """Cut a sequence into parts that stay within the budget, or are a single item.

    Args:
        items: The sequence, whose order is kept.
        size: Returns the unique sites and the pairs of an item.
        max_sites: Most unique sites of a part.
        max_pairs: Most pairs of a part.
    """
    part: list[T] = []
    sites = pairs = 0
    for item in items:
        num_sites, num_pairs = size(item)
        sites, pairs = sites + num_sites, pairs + num_pairs
        if part and (sites > max_sites or pairs > max_pairs):
            yield part
            part, sites, pairs = [], num_sites, num_pairs
        part.append(item)
    if part:
        yield part


def size_of(item: Data | Encoded | Failure) -> tuple[int, int]:
    """Return the unique sites and pairs of all graphs of a crystal."""
    if isinstance(item, Failure):
        return 0, 0
    graphs = item.graphs if isinstance(item, Encoded) else (item,)
    sites = sum(len(graph.z) for graph in graphs)
    return sites, sum(graph.num_edges for graph in graphs)
