"""Parts of a stream: in order, within the budget, as full as it allows."""

import pytest
import torch
from torch_geometric.data import Data

from pyg_sitenet.data.batches.budget import cut, size_of
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.records import Failure

SIZES = [(2, 4), (2, 4), (3, 9), (9, 1), (1, 99), (1, 1), (0, 0), (1, 1)]


def _cut(sizes, max_sites, max_pairs):
    return list(cut(sizes, lambda size: size, max_sites, max_pairs))


@pytest.mark.parametrize(
    ("max_sites", "max_pairs", "lengths"),
    [
        (4, 9, [2, 1, 1, 1, 3]),
        (7, 1000, [3, 1, 4]),
        (1000, 17, [3, 1, 1, 3]),
        (1, 1, [1, 1, 1, 1, 1, 2, 1]),
        (1000, 1000, [8]),
    ],
)
def test_parts_are_as_long_as_the_budget_allows(max_sites, max_pairs, lengths):
    parts = _cut(SIZES, max_sites, max_pairs)
    assert [len(part) for part in parts] == lengths
    assert [size for part in parts for size in part] == SIZES


def test_item_above_the_budget_is_a_part_of_its_own():
    assert _cut([(9, 9), (1, 1), (9, 9)], 2, 2) == [[(9, 9)], [(1, 1)], [(9, 9)]]


def test_nothing_is_cut_into_nothing():
    assert _cut([], 1, 1) == []


def test_stream_is_not_read_ahead():
    parts = cut(iter(lambda: (1, 1), None), lambda size: size, 2, 2)
    assert next(parts) == [(1, 1), (1, 1)]


def test_size_of_a_crystal_is_that_of_all_its_orderings():
    edges = torch.zeros(2, 5, dtype=torch.long)
    graph = Data(z=torch.ones(3, dtype=torch.long), edge_index=edges)
    assert size_of(graph) == (3, 5)
    assert size_of(Encoded(graph, "a", others=(graph, graph))) == (9, 15)
    assert size_of(Failure("a.cif", "a", "read", "torn", "repair it")) == (0, 0)
