"""What is done to a batch once, on the CPU, before a device computes on it."""

from __future__ import annotations

from torch_geometric.data import Batch

from pyg_sitenet.errors import DataError
from pyg_sitenet.nn.pairs.graph_pairs import note_equal_pairs


def prepare_batch(batch: Batch) -> Batch:
    """Check a batch, and note its equal pairs in it.

    Raises:
        DataError: If a pair names a site that is not there, which a GPU would answer
            with an error that ends the process.
    """
    index = batch.edge_index
    low, high = map(int, index.aminmax()) if index.numel() else (0, 0)
    if low < 0 or high >= batch.num_nodes:
        raise DataError(
            f"a batch with {batch.id[0]}: `edge_index` must be from 0 to "
            f"{batch.num_nodes - 1}, got {low} to {high}; check what changes the "
            "graphs (transform, pre_transform)"
        )
    note_equal_pairs(batch)
    return batch
