"""Site-Net as the paper batches it: every pair of a batch, padded, nothing saved.

The yardstick of the other benchmarks and, being the model's equations and no more, the
specification that the fast path is tested against. It runs on the parameters of a
:class:`~pyg_sitenet.SiteNet`, so that outputs and gradients compare one to one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from pyg_sitenet import SiteNet, SiteNetConv
from pyg_sitenet.nn.block import ResidualBlock
from pyg_sitenet.nn.pairs.pair_linear import PairLinear


def dense_forward(model: SiteNet, data: Data) -> Tensor:
    """Return the outputs before scaling and activation, ``[B, T]``.

    Args:
        model: The parameters; any configuration without cutoff, top-k and batch norm.
        data: Unmerged graphs whose pairs are sorted by receiver.
    """
    sender, edge_attr, log_weight = _pad(data)
    distance = edge_attr[..., 0]
    x = model.site_embedding(data.z, data.x)
    edge_attr = model.edge_embedding(edge_attr.flatten(0, 1)).unflatten(
        0, sender.shape
    )  # [n, N, D]
    outputs = []
    for block in model.blocks:
        if isinstance(block, ResidualBlock):
            logits = _locality(block.conv, distance) + log_weight.unsqueeze(-1)
            x = x + _block(block.conv, block.norm(x), sender, edge_attr, logits)[0]
            x = x + block.feed_forward(x)
        else:
            logits = log_weight.unsqueeze(-1)
            x, edge_attr = _block(block, x, sender, edge_attr, logits)
        outputs.append(x)
    num_graphs = 1 if data.batch is None else data.num_graphs
    sites = x if model.config.form == "residual" else torch.cat(outputs, dim=-1)
    out: Tensor = model.readout(sites, data.batch, num_graphs)
    return out


def _locality(conv: SiteNetConv, distance: Tensor) -> Tensor:
    """Return what is added to the logits for the distance, ``[n, N, H]``."""
    if conv.log_length is None:
        return torch.zeros(())
    return -distance.unsqueeze(-1) / conv.log_length.exp()


def _pad(data: Data) -> tuple[Tensor, Tensor, Tensor]:
    """Return senders ``[n, N]``, pair features ``[n, N, 2]`` and logarithms of weights.

    The weights ``[n, N]`` are those of a sphere, or 1; 0 where there is no pair.
    """
    sender, receiver = data.edge_index
    counts = receiver.bincount(minlength=data.num_nodes)
    place = torch.arange(int(counts.max()), device=counts.device)
    is_pair = place < counts.unsqueeze(-1)
    senders = sender.new_zeros(is_pair.shape)
    senders[is_pair] = sender
    features = data.edge_attr.new_zeros(*is_pair.shape, data.edge_attr.size(-1))
    features[is_pair] = data.edge_attr
    weight = features.new_zeros(is_pair.shape)
    weight[is_pair] = data.get("edge_weight", weight.new_ones(()))
    return senders, features, weight.log()


def _block(
    block: SiteNetConv, x: Tensor, sender: Tensor, edge_attr: Tensor, prior: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the new sites ``[n, H * C]`` and pairs ``[n, N, D]``."""
    receiver_part = x.unsqueeze(1).expand(-1, sender.size(1), -1)
    pairs = torch.cat([receiver_part, x[sender], edge_attr], dim=-1)  # [n, N, 2 F + D]
    logits = block.logits(_layer(block.attention, pairs)) + prior
    alpha = logits.softmax(dim=1)  # [n, N, H]
    groups = 1 if block.share_value_network else block.heads
    value = _layer(block.value, pairs).unflatten(-1, (groups, -1))
    value = value.expand(-1, -1, block.heads, -1)  # [n, N, H, C]
    heads = torch.einsum("njh,njhc->nch", alpha, value).flatten(1)
    new_x = block.site(heads)
    if block.residual:
        new_x = new_x + x
    if block.edge is None:
        return new_x, edge_attr
    new_edge_attr = _layer(block.edge, pairs)
    return new_x, new_edge_attr + edge_attr if block.residual else new_edge_attr


def _layer(layer: PairLinear, pairs: Tensor) -> Tensor:
    """Apply linear map, activation and norm, as far as the layer has them."""
    weight = torch.cat([part.weight for part in layer.parts()], dim=1)
    out = nn.functional.linear(pairs, weight, layer.receiver.bias)
    for part in (getattr(layer, "activation", None), getattr(layer, "norm", None)):
        out = out if part is None else part(out.flatten(0, 1)).view_as(out)
    return out
