"""Global attention of every unique site over the atoms of its environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing
from torch_geometric.typing import Adj, OptTensor, Size
from torch_geometric.utils import softmax

from pyg_sitenet.nn.fast.fused_conv import can_fuse, fused_pairs
from pyg_sitenet.nn.kinds import Kinds
from pyg_sitenet.nn.layers import (
    Layer,
    PairLayer,
    PairLinear,
    first_log_lengths,
    make_mlp,
    require_positive,
    reset_layers,
)
from pyg_sitenet.nn.pairs import weighted_copies
from pyg_sitenet.nn.top_k import largest_multiplicities

ConvOutput: TypeAlias = Tensor | tuple[Any, ...]


class SiteNetConv(MessagePassing):
    r"""The attention block of Site-Net: each site attends to all atoms it is given.

    From the `"Site-Net: using global self-attention and real-space supercells to
    capture long-range interactions in crystal structures"
    <https://doi.org/10.1039/d3dd00005b>`_ paper.

    .. math::
        \mathbf{B}_{ij} &= [\mathbf{x}_i \, \Vert \, \mathbf{x}_j \, \Vert \,
        \mathbf{e}_{ij}]

        \alpha_{ijh} &= \frac{m_{ij} \exp (g^W_h(\mathbf{B}_{ij}) - d_{ij} / \lambda_h)}
        {\sum_k m_{ik} \exp (g^W_h(\mathbf{B}_{ik}) - d_{ik} / \lambda_h)}

        \mathbf{x}'_i &= g^S \Big( \big\Vert_h \sum_j \alpha_{ijh} \,
        g^F(\mathbf{B}_{ij}) \Big), \qquad
        \mathbf{e}'_{ij} = g^I(\mathbf{B}_{ij})

    where :math:`g^S`, :math:`g^F`, :math:`g^I` are layers (linear, activation, norm),
    :math:`g^W` is an MLP that gives one logit a head, and :math:`m_{ij}` is the number
    of equal pairs that a pair stands for (``edge_multiplicity``). The last term is
    there with ``locality`` only: each head has a range :math:`\lambda_h` of its own.

    Args:
        in_channels: Size of each site vector, or a tuple of the sizes of sending and
            receiving ones.
        out_channels: Size of the value vector of each head; sites leave with
            ``heads * out_channels``.
        edge_dim: Size of each pair vector, before and after.
        heads: Number of attention heads. (default: ``1``)
        attention_hidden: Widths of the hidden layers of :math:`g^W`; empty makes it
            linear. (default: ``(225,)``)
        share_value_network: One :math:`g^F` for all heads, as in the published program;
            ``False`` gives each head its own, as in the paper's text.
            (default: ``True``)
        update_edges: Return new pair vectors too; ``False`` returns the sites alone, as
            any other convolution does. (default: ``True``)
        residual: Add what comes in to what goes out, where the sizes are equal.
            (default: ``False``)
        top_k: Keep only the k largest logits of each site and head. Which of several
            equal ones is arbitrary. (default: ``None``, all)
        norm: ``"layer"``, ``"batch"`` or ``"none"``. (default: ``"layer"``)
        activation: ``"mish"``, ``"relu"`` or ``"silu"``. (default: ``"mish"``)
        dropout: Share of the outgoing site channels that training sets to zero.
            (default: ``0.0``)
        locality: Shortest and longest of the first ranges :math:`\lambda_h`, in the
            unit of ``edge_length``. They are spread evenly in their logarithm and
            learnt. (default: ``None``, no such term)
        projection: Let a linear map to so many channels take the place of :math:`g^S`.
            (default: ``None``)
        **kwargs: Further arguments of :class:`torch_geometric.nn.MessagePassing`.

    Shapes:
        - **input:** site features :math:`(|V|, F)` or
          :math:`((|V_s|, F_s), (|V_t|, F_t))`, edge indices :math:`(2, |E|)`, pair
          features :math:`(|E|, D)`, multiplicities :math:`(|E|)` *(optional)*
        - **output:** site features :math:`(|V_t|, H \cdot C)`, or as many as
          ``projection``; with ``update_edges`` also pair features :math:`(|E|, D)`;
          with ``return_attention_weights=True`` a tuple of that and
          :math:`((2, |E|), (|E|, H))`

    .. note::
        Where it can, the layer works through the pairs in chunks that stay in the cache
        and computes them again in the backward pass: equal results, several times
        faster, with memory for the hidden vectors of few pairs. Gradients of gradients
        are those of plain message passing, to which ``conv.fused = False`` switches.

    Raises:
        ValueError: If a size or option is not one of the above.

    Reference:
        Moran et al., Digital Discovery 2023, 2, 1297, equations 3 to 7. In the joined
        heads the head index runs fastest (position ``e * heads + h``).
    """

    def __init__(
        self,
        in_channels: int | tuple[int, int],
        out_channels: int,
        edge_dim: int,
        heads: int = 1,
        *,
        attention_hidden: Sequence[int] = (225,),
        share_value_network: bool = True,
        update_edges: bool = True,
        residual: bool = False,
        top_k: int | None = None,
        norm: str = "layer",
        activation: str = "mish",
        dropout: float = 0.0,
        locality: tuple[float, float] | None = None,
        projection: int | None = None,
        **kwargs: Any,  # noqa: ANN401, handed to MessagePassing as it is
    ) -> None:
        kwargs.setdefault("aggr", "add")
        super().__init__(node_dim=0, **kwargs)
        if isinstance(in_channels, int):
            in_channels = (in_channels, in_channels)
        require_positive(
            in_channels=min(in_channels), out_channels=out_channels, heads=heads,
            edge_dim=edge_dim, top_k=1 if top_k is None else top_k,
            projection=1 if projection is None else projection,
        )  # fmt: skip
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.edge_dim = edge_dim
        self.heads = heads
        self.share_value_network = share_value_network
        self.update_edges = update_edges
        self.residual = residual
        self.top_k = top_k
        self.locality = locality
        self.projection = projection
        self.fused = type(self) is SiteNetConv  # subclasses may change `message`

        self._make_layers(attention_hidden, (norm, activation), dropout)
        self.log_length: nn.Parameter | None = None
        if locality is not None:
            self.log_length = nn.Parameter(first_log_lengths(locality, heads))

    def _make_layers(
        self, attention_hidden: Sequence[int], options: tuple[str, str], dropout: float
    ) -> None:
        """Make the layers of sites and pairs; ``options`` are norm and activation."""
        pair = (self.in_channels[1], self.in_channels[0], self.edge_dim)
        hidden = list(attention_hidden)
        if hidden:
            self.attention: PairLinear = PairLayer(pair, hidden[0], *options)
            self.logits = make_mlp(hidden[0], hidden[1:], *options)
            self.logits.append(nn.Linear(hidden[-1], self.heads))
        else:
            self.attention = PairLinear(pair, self.heads)
            self.logits = nn.Sequential()
        groups = 1 if self.share_value_network else self.heads
        self.value = PairLayer(pair, groups * self.out_channels, *options, groups)
        width = self.heads * self.out_channels
        self.site: nn.Module = Layer(width, width, *options, dropout)
        if self.projection is not None:
            self.site = nn.Linear(width, self.projection)
        self.edge = (
            PairLayer(pair, self.edge_dim, *options) if self.update_edges else None
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        reset_layers(self)
        if self.log_length is not None and self.locality is not None:
            lengths = first_log_lengths(self.locality, self.heads)
            self.log_length.data.copy_(lengths)

    def forward(
        self,
        x: Tensor | tuple[Tensor, Tensor],
        edge_index: Adj,
        edge_attr: OptTensor = None,
        *,
        edge_multiplicity: OptTensor = None,
        edge_weight: OptTensor = None,
        edge_length: OptTensor = None,
        kinds: Kinds | None = None,
        size: Size = None,
        return_attention_weights: bool | None = None,
    ) -> ConvOutput:
        """Attend.

        Args:
            x: Site features, or those of senders and of receivers.
            edge_index: Sender and receiver of each pair: edge indices or a sparse
                (transposed) adjacency, whose values serve as ``edge_attr`` if none is
                given.
            edge_attr: Pair features ``[E, edge_dim]``.
            edge_multiplicity: Number of equal pairs each pair stands for, ``[E]``.
            edge_weight: How much each of them counts in the softmax, ``[E]``.
            edge_length: Length :math:`d_{ij}` of each pair, ``[E]``; for ``locality``.
            kinds: Which pairs are equal; ``edge_attr`` then has one row a kind, and so
                have the new pair features where the sites of a kind are equal, too.
            size: Numbers of senders and of receivers.
            return_attention_weights: Also return ``(edge_index, alpha)``, where alpha
                ``[E, H]`` has the order of the pairs (of an adjacency's values).
        """
        x_src, x_dst = (x, x) if isinstance(x, Tensor) else x
        prior = self._locality_logits(edge_length)
        if can_fuse(self, x_src, x_dst, edge_index, edge_attr, size, kinds):
            counts = weighted_copies(edge_multiplicity, edge_weight)
            heads, alpha, new_edge_attr = fused_pairs(
                self, x_src, x_dst, edge_index, edge_attr, counts, prior, kinds
            )
        else:
            if kinds is not None and edge_attr is not None:
                edge_attr = edge_attr[kinds.of_pair]
            counts = (edge_multiplicity, edge_weight)
            heads, alpha, new_edge_attr = self._plain_pairs(
                x_src, x_dst, edge_index, edge_attr, *counts, prior, size
            )
            if kinds is not None and kinds.sites is not None and self.update_edges:
                new_edge_attr = new_edge_attr[kinds.first_pairs()]
        out = self.site(heads)
        if self.residual and out.shape == x_dst.shape:
            out = out + x_dst
        result = (out, new_edge_attr) if self.update_edges else out
        if not return_attention_weights:
            return result
        return result, (edge_index, alpha)

    def _locality_logits(self, edge_length: OptTensor) -> OptTensor:
        """Return ``-d / length`` of each pair and head, ``[E, H]``."""
        if self.log_length is None:
            return None
        if edge_length is None:
            raise ValueError(
                "a layer with `locality` needs the length of each pair: pass "
                "`edge_length`, of shape [E]"
            )
        return -edge_length.unsqueeze(-1) * torch.exp(-self.log_length)

    def _plain_pairs(
        self,
        x_src: Tensor,
        x_dst: Tensor,
        edge_index: Adj,
        edge_attr: OptTensor,
        edge_multiplicity: OptTensor,
        edge_weight: OptTensor,
        prior: OptTensor,
        size: Size,
    ) -> tuple[Tensor, Tensor, OptTensor]:
        """Return what :func:`fused_pairs` does, by PyG's message passing."""
        no_edge = (None, None)
        alpha, new_edge_attr = self.edge_updater(
            edge_index,
            attention=self.attention.project(x_src, x_dst),
            edge=no_edge if self.edge is None else self.edge.project(x_src, x_dst),
            edge_attr=edge_attr,
            edge_multiplicity=edge_multiplicity,
            copy_weight=edge_weight,  # `edge_weight` would be that of an adjacency
            prior=prior,
            size=size,
        )
        heads = self.propagate(
            edge_index,
            value=self.value.project(x_src, x_dst),
            edge_attr=edge_attr,
            alpha=alpha,
            size=size,
        )
        return heads, alpha, new_edge_attr

    def edge_update(
        self,
        attention_i: Tensor,
        attention_j: Tensor,
        edge_i: OptTensor,
        edge_j: OptTensor,
        edge_attr: Tensor,
        edge_multiplicity: OptTensor,
        copy_weight: OptTensor,
        prior: OptTensor,
        index: Tensor,
        ptr: OptTensor,
        size_i: int | None,
    ) -> tuple[Tensor, OptTensor]:
        """Return attention weights ``[E, H]`` and new pair features ``[E, D]``."""
        logits = self.logits(self.attention(attention_i, attention_j, edge_attr))
        if prior is not None:
            logits = logits + prior
        if copy_weight is not None:
            logits = logits + copy_weight.to(logits.dtype).log().unsqueeze(-1)
        if self.top_k is not None:
            edge_multiplicity = largest_multiplicities(
                logits, index, edge_multiplicity, self.top_k
            )
        elif edge_multiplicity is not None:
            edge_multiplicity = edge_multiplicity.unsqueeze(-1)
        if edge_multiplicity is not None:
            logits = logits + edge_multiplicity.to(logits.dtype).log()
        alpha = softmax(logits, index, ptr, size_i)
        if self.edge is None:
            return alpha, None
        new_edge_attr = self.edge(edge_i, edge_j, edge_attr)
        return alpha, new_edge_attr + edge_attr if self.residual else new_edge_attr

    def message(
        self, value_i: Tensor, value_j: Tensor, edge_attr: Tensor, alpha: Tensor
    ) -> Tensor:
        """Weight the value vector of each pair by its attention, ``[E, C * H]``."""
        value = self.value(value_i, value_j, edge_attr)
        value = value.view(alpha.size(0), -1, self.out_channels)  # [E, 1 or H, C]
        weighted: Tensor = value.transpose(1, 2) * alpha.unsqueeze(1)  # [E, C, H]
        return weighted.flatten(1)

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}({self.in_channels}, {self.out_channels}, "
            f"edge_dim={self.edge_dim}, heads={self.heads})"
        )
