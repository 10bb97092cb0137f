"""How far the strongest attention of each crystal reaches."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_sitenet.nn import SiteNet


@torch.no_grad()
def head_long_range(model: SiteNet, data: Data) -> Tensor:
    r"""Return :math:`\max_{ij} d_{ij} a_{ijh}` of each crystal, block and head.

    Args:
        model: The model that attends.
        data: A graph or batch of ``encode_structure``; a merged pair counts with the
            weight of one of its copies.

    Returns:
        Angstrom, shape ``[B, blocks, heads]``.
    """
    attention = model.attention(data)
    distance = attention.edge_attr[:, :1]
    if attention.edge_multiplicity is not None:
        distance = distance / attention.edge_multiplicity.unsqueeze(-1)
    receiver = attention.edge_index[1]
    crystal = torch.zeros_like(receiver) if data.batch is None else data.batch[receiver]
    return torch.stack(
        [
            scatter(distance * alpha, crystal, reduce="max")
            for alpha in attention.weights
        ],
        dim=1,
    )


def long_range_coefficient(model: SiteNet, data: Data) -> Tensor:
    r"""Return the long-range coefficient of each crystal.

    .. math::
        L = \sum_h \max_{ij} d_{ij} \, a_{ijh} \quad \text{in the last block}

    Args:
        model: The model that attends.
        data: A graph or batch of ``encode_structure``.

    Returns:
        Angstrom, shape ``[B]``.

    Reference:
        Moran et al., Digital Discovery 2023, 2, 1297, equation 8.
    """
    return head_long_range(model, data)[:, -1].sum(dim=-1)
