"""Pooling over merged sites, each of which counts as often as it stands for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.nn import global_add_pool, global_mean_pool
from torch_geometric.typing import OptTensor


def weighted_mean_pool(
    x: Tensor,
    batch: OptTensor = None,
    site_multiplicity: OptTensor = None,
    size: int | None = None,
) -> Tensor:
    """Return the mean over the sites of each crystal, merged sites counted in full.

    With graphs of :class:`~pyg_sitenet.MergeEquivalent` it gives what
    ``global_mean_pool`` gives without merging.

    Args:
        x: Site vectors, ``[n, C]``.
        batch: Crystal of each site, ``[n]``. (default: one crystal)
        site_multiplicity: How many equal sites each one stands for, ``[n]``.
            (default: 1 each)
        size: Number of crystals. (default: as many as ``batch`` names)

    Returns:
        One vector per crystal, ``[B, C]``; 0 for a crystal without sites.

    Example:
        .. code-block:: python

            weighted_mean_pool(x, batch.batch, batch.site_multiplicity)
    """
    if site_multiplicity is None:
        mean: Tensor = global_mean_pool(x, batch, size)
        return mean
    weight = site_multiplicity.to(x.dtype).view(-1, 1)
    if batch is None:
        batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
    total = global_add_pool(weight, batch, size)
    pooled: Tensor = global_add_pool(weight * x, batch, size)
    return pooled / torch.where(total == 0, 1, total)
