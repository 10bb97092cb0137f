"""Attention against distance, accumulated pair by pair without keeping any."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pyg_sitenet.nn.site_net import Attention

DISTANCE_STEP = 0.25
"""Angstrom; width of a distance bin."""
SMALLEST_WEIGHT = 1e-6
"""Weights below fall into the first bin."""
BINS_PER_DECADE = 6

_Floats = NDArray[np.float64]


class AttentionHistogram:
    r"""Counts pairs by distance and attention weight, for each block and head.

    A merged pair counts as often as the pairs it stands for, with the weight of one
    copy. Memory does not grow with the number of pairs.

    Args:
        blocks: Attention blocks of the model.
        heads: Attention heads of each.

    Attributes:
        pairs: Pairs of two atoms, ``[blocks, heads, distances, weights]``.
        self_pairs: Pairs of an atom with itself, at distance 0, in the same bins
            ``[blocks, heads, weights]``.
        attention: Sum of the weights of the pairs of two atoms,
            ``[blocks, heads, distances]``.
        self_attention: Sum of those of an atom with itself, ``[blocks, heads]``.
        weight_edges: Edges of the weight bins, evenly spaced on a logarithmic scale;
            the first is 0.

    Reference:
        Moran et al., Digital Discovery 2023, 2, 1297, figure 6.
    """

    def __init__(self, blocks: int, heads: int) -> None:
        decades = round(-np.log10(SMALLEST_WEIGHT))
        edges = np.logspace(-decades, 0, decades * BINS_PER_DECADE + 1)
        self.weight_edges = np.r_[0.0, edges]
        bins = len(edges)
        self.pairs: _Floats = np.zeros((blocks, heads, 0, bins))
        self.self_pairs: _Floats = np.zeros((blocks, heads, bins))
        self.attention: _Floats = np.zeros((blocks, heads, 0))
        self.self_attention: _Floats = np.zeros((blocks, heads))

    @property
    def distance_edges(self) -> _Floats:
        """Edges of the distance bins, angstrom."""
        return np.arange(self.pairs.shape[2] + 1) * DISTANCE_STEP

    def add(
        self, attention: Attention, site_multiplicity: torch.Tensor | None = None
    ) -> None:
        """Count the pairs of a graph or batch.

        Args:
            attention: What :meth:`SiteNet.attention` returned for it.
            site_multiplicity: Sites that each one stands for, ``[n]``.
        """
        distance = attention.edge_attr[:, 0].cpu().double().numpy()
        copies = np.ones(len(distance))
        if attention.edge_multiplicity is not None:
            copies = attention.edge_multiplicity.cpu().double().numpy()
        counts = copies
        if site_multiplicity is not None:
            receivers = site_multiplicity[attention.edge_index[1]]
            counts = copies * receivers.cpu().double().numpy()
        own = distance == 0
        column = np.floor(distance / DISTANCE_STEP).astype(np.int64)
        self._grow(int(column.max(initial=-1)) + 1)
        for block, alpha in enumerate(attention.weights):
            for head, weights in enumerate(alpha.detach().cpu().double().numpy().T):
                row = self._weight_bin(weights / copies)
                self._add_head(block, head, column, row, counts, weights / copies, own)

    def mean_attention(self) -> _Floats:
        """Return the mean weight of two atoms by distance; NaN where there are none."""
        pairs = self.pairs.sum(axis=3)
        with np.errstate(invalid="ignore"):
            return np.where(pairs > 0, self.attention / pairs, np.nan)

    def shares(self, *, with_self: bool) -> _Floats:
        """Return the share of each weight bin among the pairs of its distance.

        Returns:
            ``[blocks, heads, distances, weights]``; NaN where there are no pairs.
        """
        pairs = self.pairs.copy()
        if with_self and pairs.shape[2]:
            pairs[:, :, 0] += self.self_pairs
        total = pairs.sum(axis=3, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.where(total > 0, pairs / total, np.nan)

    def _grow(self, columns: int) -> None:
        missing = columns - self.pairs.shape[2]
        if missing > 0:
            self.pairs = np.pad(self.pairs, ((0, 0), (0, 0), (0, missing), (0, 0)))
            self.attention = np.pad(self.attention, ((0, 0), (0, 0), (0, missing)))

    def _weight_bin(self, weights: _Floats) -> NDArray[np.int64]:
        # Rounding may leave a weight of one by a hair above it.
        bin_number = np.searchsorted(self.weight_edges, weights, side="right") - 1
        return np.clip(bin_number, 0, len(self.weight_edges) - 2).astype(np.int64)

    def _add_head(
        self,
        block: int,
        head: int,
        column: NDArray[np.int64],
        row: NDArray[np.int64],
        counts: _Floats,
        weights: _Floats,
        own: NDArray[np.bool_],
    ) -> None:
        distances, bins = self.pairs.shape[2:]
        two = ~own
        cell = column[two] * bins + row[two]
        num_pairs = np.bincount(cell, counts[two], minlength=distances * bins)
        self.pairs[block, head] += num_pairs.reshape(distances, bins)
        mass = np.bincount(column[two], (counts * weights)[two], minlength=distances)
        self.attention[block, head] += mass
        self.self_pairs[block, head] += np.bincount(row[own], counts[own], bins)
        self.self_attention[block, head] += (counts * weights)[own].sum()


def histogram_table(histogram: AttentionHistogram) -> pd.DataFrame:
    """Return the filled bins, one row each.

    Returns:
        ``block`` and ``head`` (from 1), the bin as ``distance from [A]``,
        ``distance to [A]``, ``attention from``, ``attention to``, its number of
        ``pairs`` and their ``share`` of the pairs of that distance; the same
        ``without self`` pairs.
    """
    pairs = histogram.pairs.copy()
    if pairs.shape[2]:
        pairs[:, :, 0] += histogram.self_pairs
    block, head, column, row = np.nonzero(pairs)
    where = block, head, column, row
    near, low = histogram.distance_edges, histogram.weight_edges
    return pd.DataFrame(
        {
            "block": block + 1,
            "head": head + 1,
            "distance from [A]": near[column],
            "distance to [A]": near[column + 1],
            "attention from": low[row],
            "attention to": low[row + 1],
            "pairs": pairs[where],
            "share": histogram.shares(with_self=True)[where],
            "pairs without self": histogram.pairs[where],
            "share without self": histogram.shares(with_self=False)[where],
        }
    )


def distance_table(histogram: AttentionHistogram) -> pd.DataFrame:
    """Return how much attention each distance gets.

    Returns:
        ``block`` and ``head`` (from 1), ``distance from [A]``, ``distance to [A]``
        (0 to 0 for an atom with itself), the number of ``pairs``, their
        ``mean attention``, and the ``share of attention``: of all weights of the head.
    """
    pairs = histogram.pairs.sum(axis=3)
    block, head, column = np.nonzero(pairs)
    edges = histogram.distance_edges
    apart = {
        "block": block + 1,
        "head": head + 1,
        "distance from [A]": edges[column],
        "distance to [A]": edges[column + 1],
        "pairs": pairs[block, head, column],
        "sum": histogram.attention[block, head, column],
    }
    blocks, heads = np.indices(histogram.self_attention.shape).reshape(2, -1)
    own = {
        "block": blocks + 1,
        "head": heads + 1,
        "distance from [A]": 0.0,
        "distance to [A]": 0.0,
        "pairs": histogram.self_pairs.sum(axis=2).reshape(-1),
        "sum": histogram.self_attention.reshape(-1),
    }
    table = pd.concat([pd.DataFrame(own), pd.DataFrame(apart)])
    table = table[table["pairs"] > 0]
    table = table.sort_values(["block", "head", "distance to [A]"], ignore_index=True)
    total = table.groupby(["block", "head"])["sum"].transform("sum")
    table["mean attention"] = table["sum"] / table["pairs"]
    table["share of attention"] = table["sum"] / total
    return table.drop(columns="sum")
