"""The blocks of the network: attention by itself, or in a residual block."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.nn.conv.kinds_conv import KindsConv
from pyg_sitenet.nn.conv.site_net_conv import ConvOutput
from pyg_sitenet.nn.layers import make_activation, make_norm

_EXPANSION = 2


class ResidualBlock(nn.Module):
    r"""Site-Net's attention in a pre-norm residual block.

    .. math::
        \mathbf{h}'_i &= \mathbf{h}_i + W_o \, \mathrm{heads}_i
        (\mathrm{norm}(\mathbf{h}), \mathbf{e})

        \mathbf{h}''_i &= \mathbf{h}'_i + W_2 \,
        \mathrm{activation}(W_1 \, \mathrm{norm}(\mathbf{h}'_i))

    where heads are those of :class:`~pyg_sitenet.SiteNetConv`. Pairs stay as they are.

    Shapes:
        - **input:** sites :math:`(|V|, C)` and the pairs of
          :class:`~pyg_sitenet.SiteNetConv`
        - **output:** sites :math:`(|V|, C)`

    Reference:
        Xiong et al., On layer normalization in the transformer architecture, 2020,
        https://arxiv.org/abs/2002.04745, of the arrangement.
    """

    update_edges = False

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.norm = make_norm(config.norm, width)
        self.conv = KindsConv(
            width,
            config.site_channels_per_head,
            config.heads * config.edge_channels_per_head,
            config.heads,
            attention_hidden=config.attention_hidden,
            share_value_network=config.share_value_network,
            top_k=config.top_k,
            norm=config.norm,
            activation=config.activation,
            locality=config.locality,
            projection=width,
        )
        self.feed_forward = nn.Sequential(
            make_norm(config.norm, width),
            nn.Linear(width, _EXPANSION * width),
            make_activation(config.activation),
            nn.Dropout(config.dropout),
            nn.Linear(_EXPANSION * width, width),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        **options: Any,  # noqa: ANN401, handed to the convolution as they are
    ) -> ConvOutput:
        """Attend; ``options`` are those of :class:`~pyg_sitenet.SiteNetConv`."""
        heads = self.conv(self.norm(x), edge_index, edge_attr, **options)
        weights = None
        if options.get("return_attention_weights"):
            heads, weights = heads
        x = x + self.dropout(heads)
        x = x + self.dropout(self.feed_forward(x))
        return x if weights is None else (x, weights)


def make_block(config: ModelConfig, *, is_last: bool) -> KindsConv | ResidualBlock:
    """Return a block of the form that is set; the last one leaves pairs alone."""
    if config.form == "residual":
        return ResidualBlock(config)
    return KindsConv(
        config.heads * config.site_channels_per_head,
        config.site_channels_per_head,
        config.heads * config.edge_channels_per_head,
        config.heads,
        attention_hidden=config.attention_hidden,
        share_value_network=config.share_value_network,
        update_edges=not is_last,
        residual=config.residual,
        top_k=config.top_k,
        norm=config.norm,
        activation=config.activation,
        dropout=config.dropout,
    )
