"""Global attention of every unique site over the atoms of its environment."""

from collections.abc import Sequence
from typing import Any, Optional, Union

from torch import Tensor, nn
from torch_geometric.typing import Adj, OptPairTensor, OptTensor, PairTensor, Size

from pyg_sitenet.nn.conv import inputs, options
from pyg_sitenet.nn.conv.passing import SubclassedPassing
from pyg_sitenet.nn.conv.top_k import add_copies
from pyg_sitenet.nn.fast.fused_conv import faster_form
from pyg_sitenet.nn.layers import Activation, Layer, Norm, reset_layers
from pyg_sitenet.nn.pairs.pair_linear import PairLayer, make_attention
from pyg_sitenet.nn.pairs.weights import attention_softmax

ConvOutput = Union[Tensor, tuple[Any, ...]]
Parts = tuple[Tensor, Tensor, OptTensor]


class SiteNetConv(SubclassedPassing):
    r"""The attention block of Site-Net: each site attends to all atoms it is given.

    From the `"Site-Net: using global self-attention and real-space supercells to
    capture long-range interactions in crystal structures"
    <https://doi.org/10.1039/d3dd00005b>`_ paper.

    .. math::
        \mathbf{B}_{ij} &= [\mathbf{x}_i \Vert \mathbf{x}_j \Vert \mathbf{e}_{ij}]

        \alpha_{ijh} &= \frac{m_{ij} \exp (g^W_h(\mathbf{B}_{ij}) - d_{ij} / \lambda_h)}
        {\sum_k m_{ik} \exp (g^W_h(\mathbf{B}_{ik}) - d_{ik} / \lambda_h)}

        \mathbf{x}'_i &= g^S (\Vert_h \sum_j \alpha_{ijh} g^F(\mathbf{B}_{ij})), \qquad
        \mathbf{e}'_{ij} = g^I(\mathbf{B}_{ij})

    where :math:`g^S, g^F, g^I` are layers (linear, activation, norm), :math:`g^W` is an
    MLP to one logit a head, a pair stands for :math:`m_{ij}` equal ones, and heads have
    ranges :math:`\lambda_h` with ``locality`` alone.

    Args:
        in_channels: Size of each site vector, or :obj:`-1` to derive the size from the
            first input(s) to the forward method. A tuple has the sizes of sending and
            receiving ones.
        out_channels: Size of the value vector of each head.
        edge_dim: Size of each pair vector, before and after. (default: ``None``, none)
        heads: Number of attention heads. (default: ``1``)
        attention_hidden: Widths of the hidden layers of :math:`g^W`, if any.
            (default: ``(225,)``)
        share_value_network: One :math:`g^F` for all heads, as in the published program,
            not one each, as in the paper's text. (default: ``True``)
        update_edges: Return new pair vectors too. (default: ``False``)
        residual: Add what comes in, where sizes are equal. (default: ``False``)
        top_k: Keep only the k largest logits of each site and head; which of several
            equal ones is arbitrary. (default: ``None``, all)
        norm: ``"layer"``, or another that PyG's resolver knows. (default: ``"layer"``)
        activation: One that PyG's resolver knows. (default: ``"mish"``)
        dropout: Share of the outgoing site channels to drop. (default: ``0.0``)
        locality: Shortest and longest of the first ranges :math:`\lambda_h`, which are
            spread evenly in their logarithm and learnt. (default: ``None``)
        projection: Size of a linear map in place of :math:`g^S`. (default: ``None``)
        **kwargs: Further arguments of :class:`torch_geometric.nn.MessagePassing`.

    Shapes:
        - **input:** sites :math:`(|V|, F)` or :math:`((|V_s|, F_s), (|V_t|, F_t))`,
          edge indices :math:`(2, |E|)`, pairs :math:`(|E|, D)`
        - **output:** sites :math:`(|V_t|, H \cdot C)`; with ``update_edges`` also pairs
          :math:`(|E|, D)`; with ``return_attention_weights=True`` a tuple of that and
          :math:`((2, |E|), (|E|, H))`

    .. note::
        Where a faster form gives equal results, it takes the place of message passing;
        ``conv.fused = False`` forbids it.

    Raises:
        ValueError: If a size or option is not one of the above, or an input has another
            shape or is missing.

    Reference:
        Moran et al., Digital Discovery 2023, 2, 1297, equations 3 to 7. In the joined
        heads the head index runs fastest (position ``e * heads + h``).
    """

    def __init__(
        self,
        in_channels: Union[int, tuple[int, int]],
        out_channels: int,
        edge_dim: Optional[int] = None,
        heads: int = 1,
        *,
        attention_hidden: Sequence[int] = (225,),
        share_value_network: bool = True,
        update_edges: bool = False,
        residual: bool = False,
        top_k: Optional[int] = None,
        norm: Norm = "layer",
        activation: Activation = "mish",
        dropout: float = 0.0,
        locality: Optional[tuple[float, float]] = None,
        projection: Optional[int] = None,
        **kwargs: Any,  # noqa: ANN401, handed to MessagePassing as it is
    ) -> None:
        super().__init__(**options.message_options(kwargs))
        self._channels = options.check_channels(
            in_channels, edge_dim, update_edges, out_channels=out_channels,
            heads=heads, top_k=top_k, projection=projection, dropout=dropout,
        )  # fmt: skip
        self.in_channels, self.out_channels = in_channels, out_channels
        self.edge_dim, self.heads, self.top_k, self.fused = edge_dim, heads, top_k, True
        self.share_value_network, self.update_edges = share_value_network, update_edges
        self.residual, self.locality, self.projection = residual, locality, projection
        self._make_layers(attention_hidden, (norm, activation), dropout)

    def _make_layers(
        self, hidden: Sequence[int], form: tuple[Norm, Activation], dropout: float
    ) -> None:
        """Make the layers of sites and pairs; ``form`` is norm and activation."""
        width = self.heads * self.out_channels
        pair = (self._channels[1], self._channels[0], self.edge_dim)
        self.attention, self.logits = make_attention(pair, hidden, self.heads, form)
        self.groups = 1 if self.share_value_network else self.heads
        value = self.groups * self.out_channels
        self.value = PairLayer(pair, value, *form, self.groups)
        self.site: nn.Module = Layer(width, width, *form, dropout)
        if self.projection is not None:
            self.site = nn.Linear(width, self.projection)
        self.edge: Optional[PairLayer] = None
        if self.update_edges and self.edge_dim is not None:
            self.edge = PairLayer(pair, self.edge_dim, *form)
        lengths = inputs.first_log_lengths(self.locality, self.heads)
        self.log_length = None if lengths is None else nn.Parameter(lengths)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        reset_layers(self)
        if self.log_length is not None:
            self.log_length.data.copy_(
                inputs.first_log_lengths(self.locality, self.heads)
            )

    def forward(
        self,
        x: Union[Tensor, OptPairTensor],
        edge_index: Adj,
        edge_attr: OptTensor = None,
        *,
        edge_multiplicity: OptTensor = None,
        edge_weight: OptTensor = None,
        edge_length: OptTensor = None,
        size: Size = None,
        return_attention_weights: Optional[bool] = None,
    ) -> ConvOutput:
        """Attend.

        Args:
            x: Features of sites ``[n, F]``, or of senders and receivers (or ``None``).
            edge_index: Sender and receiver of each pair ``[2, E]``, or a sparse
                (transposed) adjacency, whose values serve in place of ``edge_attr``.
            edge_attr: Pair features ``[E, edge_dim]``; ``None`` counts as zeros.
            edge_multiplicity: Number of equal pairs each pair stands for, ``[E]``.
            edge_weight: How much each of them counts, at least 0, ``[E]``.
            edge_length: Length :math:`d_{ij}` of each pair, ``[E]``; for ``locality``.
            size: Numbers of senders and of receivers.
            return_attention_weights: Also return ``(edge_index, alpha)``, alpha
                ``[E, H]`` in the order of the pairs (of an adjacency's values).
        """
        edge_attr = inputs.pair_features(edge_index, edge_attr, self.edge_dim)
        counts = {"edge_multiplicity": edge_multiplicity, "edge_weight": edge_weight}
        inputs.check_values(edge_index, edge_length=edge_length, **counts)
        x = inputs.both_sides(x, edge_index, size, self._channels)
        for layer in (self.attention, self.value, self.edge):
            if layer is not None:
                layer.complete(x, edge_attr)
        prior = inputs.logit_prior(self.log_length, edge_length, edge_weight, x[0])
        attend = faster_form(self, x, edge_index, edge_attr, size) or self._attend
        parts = attend(x, edge_index, edge_attr, edge_multiplicity, prior, size)
        return self._finish(x, edge_index, parts, return_attention_weights)

    def _attend(
        self,
        x: PairTensor,
        edge_index: Adj,
        edge_attr: OptTensor,
        edge_multiplicity: OptTensor,
        prior: OptTensor,
        size: Size,
    ) -> Parts:
        """Return heads ``[n_dst, C * H]``, weights ``[E, H]`` and new pair features."""
        hidden, edge, value = inputs.sides(x, self.attention, self.edge, self.value)
        alpha, new_edge_attr = self.edge_updater(
            edge_index, size=size, hidden_from=hidden[0], hidden_to=hidden[1],
            edge_from=edge[0], edge_to=edge[1], edge_attr=edge_attr,
            edge_multiplicity=edge_multiplicity, prior=prior,
        )  # fmt: skip
        heads = self.propagate(
            edge_index, size=size, value_from=value[0], value_to=value[1],
            edge_attr=edge_attr, alpha=alpha, x=x,  # which explainers ask for
        )  # fmt: skip
        return heads, alpha, new_edge_attr

    def edge_update(
        self,
        hidden_to_i: Tensor,
        hidden_from_j: Tensor,
        edge_to_i: OptTensor,
        edge_from_j: OptTensor,
        edge_attr: OptTensor,
        edge_multiplicity: OptTensor,
        prior: OptTensor,
        index: Tensor,
        ptr: OptTensor,
        size_i: Optional[int],
    ) -> tuple[Tensor, OptTensor]:
        """Return attention weights ``[E, H]`` and new pair features ``[E, D]``."""
        logits = self.logits(self.attention(hidden_to_i, hidden_from_j, edge_attr))
        logits = logits if prior is None else logits + prior
        logits = add_copies(logits, index, edge_multiplicity, self.top_k, size_i)
        alpha = attention_softmax(logits, index, ptr, size_i)
        if self.edge is None:
            return alpha, None
        new_edge_attr: Tensor = self.edge(edge_to_i, edge_from_j, edge_attr)
        if self.residual and edge_attr is not None:
            new_edge_attr = new_edge_attr + edge_attr.view(-1, self.edge_dim)
        return alpha, new_edge_attr

    def message(
        self, value_to_i: Tensor, value_from_j: Tensor, edge_attr: OptTensor,
        alpha: Tensor,
    ) -> Tensor:  # fmt: skip
        """Weight the value vector of each pair by its attention, ``[E, C * H]``."""
        value = self.value(value_to_i, value_from_j, edge_attr)
        value = value.unflatten(-1, (self.groups, self.out_channels))  # [E, 1 or H, C]
        weighted: Tensor = value.transpose(-1, -2) * alpha.unsqueeze(-2)  # [E, C, H]
        return weighted.flatten(-2)

    def _finish(
        self, x: PairTensor, edge_index: Adj, parts: Parts, with_weights: Optional[bool]
    ) -> ConvOutput:
        heads, alpha, new_edge_attr = parts
        out = self.site(heads)
        if self.residual and out.shape == x[1].shape:
            out = out + x[1]
        result = (out, new_edge_attr) if self.update_edges else out
        return (result, (edge_index, alpha)) if with_weights else result

    def __repr__(self) -> str:
        edge_dim = "" if self.edge_dim is None else f"edge_dim={self.edge_dim}, "
        sizes = f"{self.in_channels}, {self.out_channels}, {edge_dim}"
        return f"{self.__class__.__name__}({sizes}heads={self.heads})"
