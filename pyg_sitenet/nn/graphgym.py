"""Registers :class:`SiteNetConv` with GraphGym, as ``layer_type: sitenetconv``.

GraphGym finds the layer once this module is imported, for instance by a file in its
folder ``contrib`` or at the top of ``main.py``::

    import pyg_sitenet.nn.graphgym
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch_geometric.graphgym.register import register_layer

from pyg_sitenet.nn.conv.site_net_conv import SiteNetConv


@register_layer("sitenetconv")
class SiteNetGymLayer(nn.Module):
    """SiteNetConv of one head that reads and writes ``batch.x``.

    Args:
        layer_config: Sizes ``dim_in``, ``dim_out`` and ``edge_dim`` of GraphGym; pairs
            have features if ``edge_dim`` is above 0.
        **kwargs: Options of :class:`SiteNetConv`.
    """

    def __init__(self, layer_config: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__()
        edge_dim = layer_config.edge_dim
        self.model = SiteNetConv(
            layer_config.dim_in,
            layer_config.dim_out,
            edge_dim if edge_dim is not None and edge_dim > 0 else None,
            **kwargs,
        )

    def forward(self, batch: Any) -> Any:  # noqa: ANN401, of GraphGym
        """Give the sites new vectors."""
        edge_attr = None if self.model.edge_dim is None else batch.edge_attr
        batch.x = self.model(batch.x, batch.edge_index, edge_attr)
        return batch
