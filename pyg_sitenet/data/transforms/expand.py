"""From merged pairs and sites back to those of the crystal."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data


def expand_pairs(data: Data, values: Tensor) -> Tensor:
    """Return the value that each original pair has.

    Args:
        data: A graph merged by ``MergeEquivalent(keep_origin=True)``, or a batch.
        values: One row per merged pair, ``[E', *]``; of one of its copies.

    Returns:
        One row per original pair, ``[E, *]``, in the original order.

    Raises:
        ValueError: If the graph does not say where its pairs came from, or there is not
            one row for each.

    Example:
        .. code-block:: python

            alpha = model.attention(data).weights[0] / data.edge_multiplicity[:, None]
            expand_pairs(data, alpha)  # as of the graph before merging
    """
    return _rows(values, data, "merged_pair", "num_edges")


def expand_sites(data: Data, values: Tensor) -> Tensor:
    """Return the value that each original site has.

    Args:
        data: A graph merged by ``MergeEquivalent(keep_origin=True)``, or a batch.
        values: One row per merged site, ``[n', *]``; of one of its copies.

    Returns:
        One row per original site, ``[n, *]``, in the original order.

    Raises:
        ValueError: If the graph does not say where its sites came from, or there is not
            one row for each.
    """
    return _rows(values, data, "merged_site", "num_nodes")


def _rows(values: Tensor, data: Data, name: str, size: str) -> Tensor:
    origin, count = _origin(data, name, size), getattr(data, size)
    if len(values) != count:
        raise ValueError(
            f"`values` must have {count} rows, one for each merged site or pair, got "
            f"{len(values)}"
        )
    return values[origin]


def _origin(data: Data, name: str, size: str) -> Tensor:
    if name not in data:
        raise ValueError(
            f"`data` must have `{name}`, which MergeEquivalent(keep_origin=True) stores"
        )
    graphs = data.to_data_list() if isinstance(data, Batch) else [data]
    starts = accumulate((getattr(graph, size) for graph in graphs), initial=0)
    parts = [graph[name] + start for graph, start in zip(graphs, starts, strict=False)]
    return torch.cat(parts)
