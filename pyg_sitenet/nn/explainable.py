"""Site-Net in the form that ``torch_geometric.explain`` calls."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.data import Data, HeteroData
from torch_geometric.typing import OptTensor

from pyg_sitenet.nn.conv.inputs import pair_features
from pyg_sitenet.nn.embedding import NUM_EDGE_FEATURES
from pyg_sitenet.nn.folding import fold
from pyg_sitenet.nn.pairs.graph_pairs import Pairs
from pyg_sitenet.nn.site_net import SiteNet


class ExplainableSiteNet(nn.Module):
    """Takes site features and pairs as tensors of their own, not as a graph object.

    The site features are those that enter the first layer: the learnt vector of the
    element and the scaled element properties, so that masks and gradients of explainers
    reach both. The model is shared, not copied.

    Args:
        model: The model to explain.

    Raises:
        TypeError: If it is no single network.

    Example:
        .. code-block:: python

            from torch_geometric.explain import Explainer, GNNExplainer

            network = ExplainableSiteNet(model.eval())
            explainer = Explainer(
                network,
                GNNExplainer(epochs=100),
                explanation_type="model",
                node_mask_type="attributes",
                edge_mask_type="object",
                model_config=dict(
                    mode="regression", task_level="graph", return_type="raw"
                ),
            )
            explanation = explainer(**network.inputs(data))
            explanation.edge_mask  # [E], one per pair; node_mask [n, features]
    """

    def __init__(self, model: SiteNet) -> None:
        super().__init__()
        if not isinstance(model, SiteNet):
            raise TypeError(
                f"expected a SiteNet, got {type(model).__name__}; of an ensemble "
                "explain one network, as in networks_of(model)[0]"
            )
        self.model = model
        self.train(model.training)  # explainers set the model back to this

    def inputs(self, data: Data | HeteroData) -> dict[str, OptTensor]:
        """Return the arguments of :meth:`forward` for a graph or batch, in its order.

        A merged pair or site is explained as one, all its copies together.
        """
        graph = fold(data) if isinstance(data, HeteroData) else data
        names = ("batch", "edge_multiplicity", "edge_weight", "site_multiplicity")
        dtype = self.model.readout.linear.weight.dtype
        features = self.model.site_embedding.features(graph.z, graph.x)
        return {
            "x": features.detach(),
            "edge_index": graph.edge_index,
            "edge_attr": graph.edge_attr.to(dtype),
            # Captum's explainer passes arguments by position: none is left out.
            **{name: graph.get(name) for name in names},
        }

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        batch: OptTensor = None,
        edge_multiplicity: OptTensor = None,
        edge_weight: OptTensor = None,
        site_multiplicity: OptTensor = None,
    ) -> Tensor:
        """Return the properties of each crystal, ``[B, T]``.

        Args:
            x: Site features, ``[n, embedding_channels + 9]``.
            edge_index: Sender and receiver of each pair, ``[2, E]``.
            edge_attr: Distance (angstrom) and log Coulomb of each pair, ``[E, 2]``.
            batch: Crystal of each site, ``[n]``.
            edge_multiplicity: Equal pairs that each one stands for, ``[E]``.
            edge_weight: How much each copy of a pair counts, ``[E]``.
            site_multiplicity: Equal sites that each one stands for, ``[n]``.
        """
        pair_features(edge_index, edge_attr, NUM_EDGE_FEATURES)
        cutoff = self.model.config.distance_cutoff
        if cutoff is not None:  # explainers want all pairs: those beyond weigh nothing
            near = (edge_attr[:, 0] <= cutoff).to(edge_attr.dtype)
            edge_weight = near if edge_weight is None else edge_weight * near
        pairs = Pairs(edge_index, edge_attr, edge_multiplicity, edge_weight)
        sites: Tensor = self.model.site_embedding.layer(x)
        sites, _ = self.model.attend(sites, pairs)
        size = 1 if batch is None else int(batch.max()) + 1
        raw = self.model.readout(sites, batch, size, site_multiplicity)
        return self.model.activate(raw)
