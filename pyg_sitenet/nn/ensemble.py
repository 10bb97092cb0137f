"""Several SiteNets as one: their mean, and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.nn.site_net import SiteNet


class SiteNetEnsemble(nn.Module):
    """A deep ensemble: networks that differ by the seed they were trained with.

    Args:
        members: At least two networks of one configuration.

    Shapes:
        - **input:** a graph of :func:`~pyg_sitenet.encode_structure` or a batch of them
        - **output:** the mean of the members, :math:`(B, T)` in the targets' units

    Raises:
        ValueError: If there are fewer than two members or their sizes differ.

    Reference:
        Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017,
        https://arxiv.org/abs/1612.01474 (members without a variance of their own).
    """

    def __init__(self, members: Sequence[SiteNet]) -> None:
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"`members` must be two or more, got {len(members)}")
        if any(member.config != members[0].config for member in members):
            raise ValueError("`members` must have one configuration, got several")
        if any(member.layout != members[0].layout for member in members):
            raise ValueError("`members` must have the same outputs, got several kinds")
        self.members = nn.ModuleList(members)

    @property
    def config(self) -> ModelConfig:
        """Sizes and options of each member."""
        config: ModelConfig = self.members[0].config  # type: ignore[assignment]
        return config

    def member_outputs(self, data: Data | HeteroData) -> Tensor:
        """Return what each member says, ``[M, B, T]``."""
        return torch.stack([member(data) for member in self.members])

    def forward(self, data: Data | HeteroData) -> Tensor:
        """Return the mean of the members, ``[B, T]``."""
        return self.member_outputs(data).mean(dim=0)


def networks_of(model: SiteNet | SiteNetEnsemble) -> list[SiteNet]:
    """Return the networks that a model is made of: itself, or its members."""
    if isinstance(model, SiteNet):
        return [model]
    return [member for member in model.members if isinstance(member, SiteNet)]


def mean_and_spread(
    model: SiteNet | SiteNetEnsemble, data: Data | HeteroData
) -> tuple[Tensor, Tensor | None]:
    """Return the prediction and, of an ensemble, the standard deviation of its members.

    Shapes:
        - **output:** :math:`(B, T)` each, in the targets' units
    """
    if isinstance(model, SiteNetEnsemble):
        values = model.member_outputs(data)
        return values.mean(dim=0), values.std(dim=0)
    return model(data), None
