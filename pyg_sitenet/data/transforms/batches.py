"""Transforms of a graph, applied to each graph of a batch."""

from __future__ import annotations

from collections.abc import Callable

from torch_geometric.data import Batch, Data


def graph_by_graph(transform: Callable[[Data], Data], batch: Batch) -> Batch:
    """Return a batch of the transformed graphs.

    Raises:
        ValueError: If the batch has an attribute that its graphs did not bring: whose
            it is nobody can tell, and it would be lost.
    """
    parts = batch.to_data_list()
    brought = {name for part in parts for name in part.keys()}  # noqa: SIM118
    made = {f"{name}_{end}" for name in brought for end in ("batch", "ptr")}
    lost = sorted(set(batch.keys()) - brought - made - {"batch", "ptr", "num_nodes"})
    if lost and all(isinstance(part, Data) for part in parts):
        raise ValueError(
            f"`{lost[0]}` was set on the batch as a whole, so that it cannot be shared "
            "out among its graphs; set it on each graph before they are batched"
        )
    return Batch.from_data_list([transform(part) for part in parts])
