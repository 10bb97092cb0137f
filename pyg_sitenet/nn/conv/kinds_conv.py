"""The attention block for pairs of which many are equal."""

from __future__ import annotations

from torch import Tensor
from torch_geometric.typing import OptTensor

from pyg_sitenet.nn.conv import inputs
from pyg_sitenet.nn.conv.site_net_conv import ConvOutput, SiteNetConv
from pyg_sitenet.nn.fast.fused_conv import can_fuse, fused_pairs
from pyg_sitenet.nn.pairs.kinds import Kinds
from pyg_sitenet.nn.pairs.shared import Shared


class KindsConv(SiteNetConv):
    """:class:`SiteNetConv` whose fast path computes equal pairs once.

    Arguments and shapes are the same; see :meth:`forward` for ``kinds``.
    """

    def forward(  # type: ignore[override] # as a network calls it
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        *,
        kinds: Kinds | None = None,
        edge_multiplicity: OptTensor = None,
        edge_weight: OptTensor = None,
        edge_length: OptTensor = None,
        return_attention_weights: bool | None = None,
        shared: Shared | None = None,
    ) -> ConvOutput:
        """Attend.

        Args:
            x: Site features.
            edge_index: Sender and receiver of each pair.
            edge_attr: Pair features, with ``kinds`` one row a kind.
            kinds: Which pairs are equal; new pair features have one row a kind where
                the sites of a kind are equal, too.
            edge_multiplicity: As in :class:`SiteNetConv`.
            edge_weight: As in :class:`SiteNetConv`.
            edge_length: As in :class:`SiteNetConv`.
            return_attention_weights: As in :class:`SiteNetConv`.
            shared: What other blocks have made of these pairs.
        """
        sides = (x, x)
        if can_fuse(self, sides, edge_index, edge_attr, None, kinds):
            inputs.check_values(
                edge_index, edge_length=edge_length, edge_weight=edge_weight,
                edge_multiplicity=edge_multiplicity,
            )  # fmt: skip
            prior = inputs.logit_prior(self.log_length, edge_length, edge_weight, x)
            parts = fused_pairs(
                self, sides, edge_index, edge_attr, edge_multiplicity, prior,
                kinds=kinds, shared=shared,
            )  # fmt: skip
            return self._finish(sides, edge_index, parts, return_attention_weights)
        result = super().forward(
            x, edge_index, edge_attr if kinds is None else edge_attr[kinds.of_pair],
            edge_multiplicity=edge_multiplicity, edge_weight=edge_weight,
            edge_length=edge_length, return_attention_weights=return_attention_weights,
        )  # fmt: skip
        if kinds is None or kinds.sites is None or not self.update_edges:
            return result
        if return_attention_weights:
            (out, new_edge_attr), weights = result
            return (out, new_edge_attr[kinds.first_pairs()]), weights
        out, new_edge_attr = result
        return out, new_edge_attr[kinds.first_pairs()]
