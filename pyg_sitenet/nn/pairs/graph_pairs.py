"""The pairs of a graph that attend, and those among them that are equal."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.nn.pairs.kinds import Kinds, group_pairs


class Pairs(NamedTuple):
    """The pairs that attend: sender and receiver, raw features, and copies of each."""

    edge_index: Tensor  # [2, E]
    edge_attr: Tensor  # [E, 2] distance (angstrom), log Coulomb
    edge_multiplicity: Tensor | None  # [E]
    edge_weight: Tensor | None  # [E] how much each copy counts
    kinds: Kinds | None = None  # which pairs are equal; edge_attr has a row for each

    @property
    def distance(self) -> Tensor:
        """Distance of each pair in angstrom, ``[E]``, those of equal pairs repeated."""
        distance = self.edge_attr[:, 0]
        return distance if self.kinds is None else distance[self.kinds.of_pair]


def note_equal_pairs(graph: Data) -> None:
    """Find the equal pairs of a graph or batch now, so that no network has to.

    They are noted in ``equal_pairs``, for a graph that stays as it is: the search waits
    for a GPU, which this spares it on the CPU.
    """
    groups = _find(graph, graph.edge_index, graph.edge_attr)
    graph.equal_pairs = []  # few are
    if groups is not None:
        order, kinds = groups
        graph.equal_pairs = [order, kinds.of_pair, kinds.first]


def group_equal_pairs(graph: Data, pairs: Pairs) -> Pairs:
    """Put equal pairs side by side, and their features there once."""
    is_whole = pairs.edge_index is graph.edge_index
    noted = graph.get("equal_pairs") if is_whole else None
    groups = (
        _find(graph, pairs.edge_index, pairs.edge_attr)
        if noted is None
        else _from_note(noted, pairs.edge_index)
    )
    if groups is None:
        return pairs
    order, kinds = groups
    multiplicity, weight = (
        None if count is None else count[order]
        for count in (pairs.edge_multiplicity, pairs.edge_weight)
    )
    edge_attr = pairs.edge_attr[order[kinds.first_pairs()]]
    return Pairs(pairs.edge_index[:, order], edge_attr, multiplicity, weight, kinds)


def _find(
    graph: Data, edge_index: Tensor, edge_attr: Tensor
) -> tuple[Tensor, Kinds] | None:
    sites = torch.cat([graph.z.unsqueeze(1).to(graph.x.dtype), graph.x], dim=1)
    site_class = sites.unique(dim=0, return_inverse=True)[1]
    crystal = torch.zeros_like(graph.z) if graph.batch is None else graph.batch
    return group_pairs(edge_index, edge_attr, site_class, crystal)


def _from_note(noted: list[Tensor], edge_index: Tensor) -> tuple[Tensor, Kinds] | None:
    if not noted:
        return None
    order, of_pair, first = noted
    return order, Kinds(of_pair, edge_index[:, order[first]], first)


def kinds_after_block(kinds: Kinds | None, *, updates_edges: bool) -> Kinds | None:
    """Return what is left of kinds: sites of one class differ after a block.

    New features of pairs are made of sites: those of equal sites are equal still.
    """
    if kinds is None or (updates_edges and kinds.sites is None):
        return None
    return Kinds(kinds.of_pair, None)
