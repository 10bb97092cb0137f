"""From site vectors to the properties of each crystal."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool
from torch_geometric.typing import OptTensor
from torch_geometric.utils import softmax

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.nn.layers import make_mlp, make_norm
from pyg_sitenet.nn.pooling import weighted_mean_pool

_ROUNDING = {torch.float64: 1e-12}  # of equal sites, relative; else 8 units


class Pooling(nn.Module):
    """Mean, maximum, both joined, or learnt attention over the sites of each crystal.

    A site that stands for ``multiplicity`` equal ones counts as often.

    Shapes:
        - **input:** sites :math:`(|V|, C)`, crystal of each :math:`(|V|)`
        - **output:** crystals :math:`(B, C)`, of ``mean_max`` :math:`(B, 2 C)`
    """

    def __init__(self, kind: str, channels: int) -> None:
        super().__init__()
        self.kind = kind
        self.gate = nn.Linear(channels, 1) if kind == "attention" else None

    def forward(
        self, x: Tensor, batch: OptTensor, size: int, multiplicity: OptTensor
    ) -> Tensor:
        """Pool the sites of each crystal."""
        if batch is None:
            batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
        weight = None if multiplicity is None else multiplicity.to(x.dtype).view(-1, 1)
        pooled: Tensor
        if self.kind == "max":
            pooled = _largest(x, batch, size)
        elif self.kind == "mean_max":
            mean = weighted_mean_pool(x, batch, multiplicity, size)
            pooled = torch.cat([mean, _largest(x, batch, size)], dim=-1)
        elif self.gate is not None:
            logits = self.gate(x) if weight is None else self.gate(x) + weight.log()
            share = softmax(logits, batch, num_nodes=size)
            pooled = global_add_pool(share * x, batch, size)
        else:
            pooled = weighted_mean_pool(x, batch, multiplicity, size)
        return pooled


def _largest(x: Tensor, batch: Tensor, size: int) -> Tensor:
    """Return the largest of each channel; equal sites share its gradient.

    Equal up to rounding: which of them is the largest would be chance, and forces on
    the atoms of a symmetric crystal would not cancel.
    """
    # scatter_reduce: PyG's global_max_pool warns in training on a GPU.
    index, none = batch.view(-1, 1).expand_as(x), x.new_zeros(size, x.size(-1))
    values = x.detach()
    top = none.scatter_reduce(0, index, values, "amax", include_self=False)[batch]
    rounding = _ROUNDING.get(x.dtype, 8 * torch.finfo(x.dtype).eps)
    gap = top - values
    tied = x + torch.where(gap <= rounding * (1 + top.abs()), gap, 0)
    return none.scatter_reduce(0, index, tied, "amax", include_self=False)


class Readout(nn.Module):
    """Pre-pool layers, pooling, post-pool layers and the last linear map.

    In the residual form a norm comes before these layers instead of after each.

    Shapes:
        - **input:** sites :math:`(|V|, C)`, crystal of each :math:`(|V|)`
        - **output:** :math:`(B, T)`
    """

    def __init__(self, in_channels: int, num_targets: int, config: ModelConfig) -> None:
        super().__init__()
        is_residual = config.form == "residual"
        norm = "none" if is_residual else config.norm
        options = (norm, config.activation, config.dropout)
        self.pre_pool = make_mlp(in_channels, config.pre_pool, *options)
        if is_residual:
            self.pre_pool.insert(0, make_norm(config.norm, in_channels))
        pooled = [in_channels, *config.pre_pool][-1]
        self.pool = Pooling(config.pooling, pooled)
        if config.pooling == "mean_max":
            pooled *= 2
        self.post_pool = make_mlp(pooled, config.post_pool, *options)
        self.linear = nn.Linear([pooled, *config.post_pool][-1], num_targets)

    def forward(
        self,
        x: Tensor,
        batch: OptTensor = None,
        size: int = 1,
        site_multiplicity: OptTensor = None,
    ) -> Tensor:
        """Return the raw outputs of ``size`` crystals."""
        out: Tensor = self.linear(self.embed(x, batch, size, site_multiplicity))
        return out

    def embed(
        self,
        x: Tensor,
        batch: OptTensor = None,
        size: int = 1,
        site_multiplicity: OptTensor = None,
    ) -> Tensor:
        """Return the vector of each crystal that the last linear map reads."""
        pooled = self.pool(self.pre_pool(x), batch, size, site_multiplicity)
        out: Tensor = self.post_pool(pooled)
        return out
