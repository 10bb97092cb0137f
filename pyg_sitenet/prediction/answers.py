"""What a model answers for the graphs of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch_geometric.data import Batch, Data

from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, mean_and_spread, networks_of

# Known values, of which one record has more than another, and names.
_UNUSED = ["y", "id", "formula", "group"]


class Answer(NamedTuple):
    """What a model says of a graph.

    Attributes:
        values: Of each output.
        spread: Standard deviation of an ensemble's members; empty for one network.
        vector: Of the crystal, from which the values are made; of an ensemble that of
            the first network. Empty if nobody compares it.
    """

    values: list[float]
    spread: list[float]
    vector: list[float]


@torch.inference_mode()
def answer_graphs(
    model: SiteNet | SiteNetEnsemble, graphs: list[Data], *, with_vectors: bool
) -> list[Answer]:
    """Return values, of an ensemble their spread, and a vector for each graph.

    Args:
        model: One network or several, all on one device.
        graphs: A batch of them.
        with_vectors: Whether anybody looks at the vectors.
    """
    linear = networks_of(model)[0].readout.linear
    batch = Batch.from_data_list(graphs, exclude_keys=_UNUSED)
    vectors: list[list[list[float]]] = []
    hook = linear.register_forward_pre_hook(
        lambda _, inputs: vectors.append(inputs[0].tolist() if with_vectors else [])
    )
    try:
        values, spread = mean_and_spread(  # [num_graphs, T]
            model, batch.to(linear.weight.device)
        )
    finally:
        hook.remove()
    none: list[list[float]] = [[] for _ in graphs]
    rows = zip(
        values.tolist(),
        none if spread is None else spread.tolist(),
        vectors[0] if with_vectors else none,
        strict=True,
    )
    return list(map(Answer._make, rows))
