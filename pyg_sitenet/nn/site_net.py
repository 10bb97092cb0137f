"""Site-Net: embed, attend block by block, pool, predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.config import ModelConfig, load_preset
from pyg_sitenet.nn.block import make_block
from pyg_sitenet.nn.conv.site_net_conv import SiteNetConv
from pyg_sitenet.nn.embedding import EdgeEmbedding, SiteEmbedding
from pyg_sitenet.nn.fast.plain_gradients import is_transformed
from pyg_sitenet.nn.folding import fold
from pyg_sitenet.nn.graph_check import check_graph, check_sizes, num_graphs_of
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.nn.pairs.graph_pairs import Pairs, group_equal_pairs, kinds_after_block
from pyg_sitenet.nn.pairs.shared import Shared
from pyg_sitenet.nn.readout import Readout
from pyg_sitenet.nn.weights.pretrained import Pretrained
from pyg_sitenet.nn.weights.published import from_published_names, num_published_targets


class Attention(NamedTuple):
    """The pairs that attend, and how much: ``weights`` has one entry per block."""

    edge_index: Tensor  # [2, E]
    edge_attr: Tensor  # [E, 2] distance (angstrom), log Coulomb
    edge_multiplicity: Tensor | None  # [E]
    weights: list[Tensor]  # [E, H] each: of all copies of the pair together


class Embedding(NamedTuple):
    """Vectors of sites and crystals, for other models."""

    sites: Tensor  # [n, blocks * H * s], of all blocks, joined; residual: [n, width]
    crystals: Tensor  # [B, C], what the last linear map reads


class SiteNet(Pretrained):
    r"""Site-Net: properties of crystals from global attention over their supercells.

    Args:
        config: Sizes and options. (default: those of the ``default`` preset)
        num_targets: Number :math:`T` of properties. (default: ``1``)
        layout: What the outputs are, if not just :math:`T` numbers: classes, numbers
            learnt as logarithms. (default: ``None``)

    Shapes:
        - **input:** a graph of :func:`~pyg_sitenet.encode_structure` or a batch of them
        - **output:** :math:`(B, T)` in the targets' units; a target of classes has the
          probability of each in a column of its own

    Reference:
        Moran et al., Digital Discovery 2023, 2, 1297, https://doi.org/10.1039/d3dd00005b.
        The last block has no interaction network, since nothing would use it: 11,088
        of the published 304,085 parameters are left out.
    """

    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        config: ModelConfig | None = None,
        num_targets: int = 1,
        layout: OutputLayout | None = None,
    ) -> None:
        super().__init__()
        check_sizes(config, num_targets)
        self.layout = layout or OutputLayout.make([""] * num_targets)
        num_outputs = self.layout.num_outputs
        self.config = load_preset("default").model if config is None else config
        self.site_embedding = SiteEmbedding(self.config)
        self.edge_embedding = EdgeEmbedding(self.config)
        self.blocks = nn.ModuleList(
            make_block(self.config, is_last=block == self.config.blocks - 1)
            for block in range(self.config.blocks)
        )
        joined = 1 if self.config.form == "residual" else self.config.blocks
        channels = joined * self.config.site_width
        self.readout = Readout(channels, num_outputs, self.config)
        self.register_buffer("target_mean", torch.zeros(num_outputs))
        self.register_buffer("target_scale", torch.ones(num_outputs))

    @classmethod
    def from_preset(cls, name: str, num_targets: int = 1) -> SiteNet:
        """Make an untrained model of the preset ``paper`` or ``default``.

        Raises:
            ConfigError: If there is no preset of that name.
        """
        return cls(load_preset(name).model, num_targets)

    @classmethod
    def from_published(
        cls, state_dict: Mapping[str, Tensor], config: ModelConfig | None = None
    ) -> SiteNet:
        """Make a model from weights under their published names.

        Args:
            state_dict: Tensors by name, such as
                ``encoder.Attention_Blocks.0.pre_softmax_linear.weight``.
            config: Sizes and options they were trained with. (default: ``paper``)

        Raises:
            ModelFileError: If tensors are missing or do not fit ``config``.
            TypeError: If ``state_dict`` is no mapping, such as the path of a file.
        """
        config = load_preset("paper").model if config is None else config
        model = cls(config, num_targets=num_published_targets(state_dict))
        model.load_state_dict(from_published_names(state_dict, model.state_dict()))
        return model

    @property
    def convs(self) -> list[SiteNetConv]:
        """The attention layer of each block."""
        return [part for part in self.modules() if isinstance(part, SiteNetConv)]

    @property
    def fused(self) -> bool:
        """Whether the edge embedding and all blocks may take their faster forms."""
        return self.edge_embedding.fused and all(conv.fused for conv in self.convs)

    @fused.setter
    def fused(self, value: bool) -> None:
        self.edge_embedding.fused = value
        for conv in self.convs:
            conv.fused = value

    def set_target_scaling(self, mean: Tensor, scale: Tensor) -> None:
        """Let the output be ``raw * scale + mean``, each of shape ``[T]``."""
        self.target_mean.copy_(mean)
        self.target_scale.copy_(scale)

    def forward(self, data: Data | HeteroData) -> Tensor:
        """Return the properties of each crystal, ``[B, T]``."""
        return self.activate(self.raw_output(data))

    def activate(self, raw: Tensor) -> Tensor:
        """Return the properties that raw outputs stand for, ``[B, T]``."""
        scaled = raw * self.target_scale + self.target_mean
        return self.layout.answers(self.layout.activate(scaled, self.config.output))

    def learned(self, data: Data | HeteroData) -> Tensor:
        """Return what the loss compares: logits, logarithms, or the properties."""
        raw = self.raw_output(data) * self.target_scale + self.target_mean
        return self.layout.activate(raw, self.config.output)

    def raw_output(self, data: Data | HeteroData) -> Tensor:
        """Return the outputs before scaling and activation, ``[B, T]``."""
        out: Tensor = self.readout.linear(self.embed(data).crystals)
        return out

    def embed(self, data: Data | HeteroData) -> Embedding:
        """Return the vectors of sites and crystals from which the outputs are made."""
        graph = fold(data) if isinstance(data, HeteroData) else data
        pairs = self._pairs(graph)
        if self._may_group(pairs):
            pairs = group_equal_pairs(graph, pairs)
        x = self.site_embedding(graph.z, graph.x)
        x, _ = self.attend(x, pairs)
        num_graphs = 1 if graph.batch is None else num_graphs_of(graph)
        multiplicity = graph.get("site_multiplicity")
        return Embedding(
            x, self.readout.embed(x, graph.batch, num_graphs, multiplicity)
        )

    def attention(self, data: Data | HeteroData) -> Attention:
        """Return what each site attends to, block by block."""
        graph = fold(data) if isinstance(data, HeteroData) else data
        pairs = self._pairs(graph)
        x = self.site_embedding(graph.z, graph.x)
        _, weights = self.attend(x, pairs, return_attention_weights=True)
        return Attention(*pairs[:3], weights)

    def _pairs(self, graph: Data) -> Pairs:
        """Return the pairs that attend: those within the cutoff, if there is one."""
        check_graph(graph)
        edge_index, edge_attr = graph.edge_index.long(), graph.edge_attr
        counts = [graph.get("edge_multiplicity"), graph.get("edge_weight")]
        if self.config.distance_cutoff is not None:
            near = edge_attr[:, 0] <= self.config.distance_cutoff
            edge_index, edge_attr = edge_index[:, near], edge_attr[near]
            counts = [None if count is None else count[near] for count in counts]
        return Pairs(edge_index, edge_attr, *counts)

    def _lengths(self, pairs: Pairs) -> Tensor | None:
        """Return the distance of each pair where heads have a range, ``[E]``."""
        if self.config.locality is None:
            return None
        return pairs.distance.to(self.readout.linear.weight.dtype)

    def _may_group(self, pairs: Pairs) -> bool:
        """Whether nobody looks at single pairs: gradients, masks, a trace, a norm."""
        return not (
            is_transformed()
            or (self.training and self.config.norm == "batch")
            or pairs.edge_attr.requires_grad
            or pairs.edge_attr.dtype not in (torch.float32, torch.float64)
            or any(conv.explain for conv in self.convs)
        )

    def attend(
        self, x: Tensor, pairs: Pairs, *, return_attention_weights: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Let sites attend to each other, block by block.

        Args:
            x: First site vectors, ``[n, H * s]``.
            pairs: The pairs that attend.
            return_attention_weights: Also return the weights, ``[E, H]`` per block.

        Returns:
            The site vectors of all blocks, joined, or in the residual form those of the
            last, and the weights if asked.
        """
        edge_attr = self.edge_embedding(pairs.edge_attr)
        length = self._lengths(pairs)
        outputs, weights = [], []
        weight, kinds, shared = pairs.edge_weight, pairs.kinds, Shared()
        for block in self.blocks:
            result = block(
                x,
                pairs.edge_index,
                edge_attr,
                edge_multiplicity=pairs.edge_multiplicity,
                edge_weight=weight,
                edge_length=length,
                kinds=kinds,
                return_attention_weights=return_attention_weights,
                shared=shared,
            )
            if return_attention_weights:
                result, (_, alpha) = result
                weights.append(alpha)
            if block.update_edges:
                x, edge_attr = result
            else:
                x = result
            kinds = kinds_after_block(kinds, updates_edges=bool(block.update_edges))
            outputs.append(x)
        if self.config.form == "residual":
            return x, weights
        return torch.cat(outputs, dim=-1), weights
