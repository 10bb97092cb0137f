"""``torch_geometric.explain`` on the network and on the layer alone."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.explain import (
    AttentionExplainer,
    CaptumExplainer,
    Explainer,
    GNNExplainer,
)
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks

from pyg_sitenet.config import load_preset, override
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import (
    ExplainableSiteNet,
    SiteNet,
    SiteNetConv,
    SiteNetEnsemble,
    networks_of,
)
from pyg_sitenet.transforms import MergeEquivalent

REGRESSION = {"mode": "regression", "return_type": "raw"}
SMALL = (
    "model.heads=2",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "model.pre_pool=[16]",
    "model.post_pool=[16]",
    "model.embedding_channels=8",
)


def make_model(*settings):
    torch.manual_seed(0)
    config = override(load_preset("default"), [*SMALL, *settings])
    return SiteNet(config.model).eval()


@pytest.fixture
def graph(rutile):
    return encode_structure(rutile, max_atoms=30, environment="sphere")


@pytest.mark.parametrize("settings", [[], ["model.distance_cutoff=3.0"]])
@pytest.mark.parametrize("merge", [False, True])
def test_same_output_as_the_model(graph, nacl, settings, merge):
    model = make_model(*settings)
    graphs = [graph, encode_structure(nacl, max_atoms=30, environment="sphere")]
    graphs = [MergeEquivalent()(item) if merge else item for item in graphs]
    network = ExplainableSiteNet(model)
    for data in (graphs[0], Batch.from_data_list(graphs)):
        torch.testing.assert_close(network(**network.inputs(data)), model(data))


def test_bipartite_form_is_taken_too(rutile):
    model = make_model()
    network = ExplainableSiteNet(model)
    data = encode_structure(rutile, max_atoms=30, unfold=True)
    torch.testing.assert_close(network(**network.inputs(data)), model(data))


def test_ensembles_are_explained_network_by_network(graph):
    ensemble = SiteNetEnsemble([make_model(), make_model()])
    with pytest.raises(TypeError, match=r"got SiteNetEnsemble; .* networks_of\(model"):
        ExplainableSiteNet(ensemble)
    network = ExplainableSiteNet(networks_of(ensemble)[0])
    torch.testing.assert_close(network(**network.inputs(graph)), ensemble(graph))


def explain(network, inputs, algorithm, level="graph", **masks):
    explainer = Explainer(
        network, algorithm, explanation_type="model",
        model_config={**REGRESSION, "task_level": level}, **masks,
    )  # fmt: skip
    return explainer(**inputs)


def test_attention_explainer_gives_the_largest_attention_of_each_pair(graph):
    model = make_model()
    network = ExplainableSiteNet(model)
    result = explain(
        network, network.inputs(graph), AttentionExplainer(), edge_mask_type="object"
    )
    weights = torch.stack(model.attention(graph).weights).amax(dim=(0, 2))
    torch.testing.assert_close(result.edge_mask, weights)


@pytest.mark.parametrize("settings", [[], ["model.distance_cutoff=3.0"]])
def test_gnn_explainer_masks_every_pair_and_feature(graph, settings):
    network = ExplainableSiteNet(make_model(*settings))
    inputs = network.inputs(graph)
    result = explain(
        network, inputs, GNNExplainer(epochs=5),
        node_mask_type="attributes", edge_mask_type="object",
    )  # fmt: skip
    assert result.edge_mask.shape == (graph.num_edges,)
    assert result.node_mask.shape == inputs["x"].shape
    assert result.edge_mask.isfinite().all()
    assert result.node_mask.std() > 0


class Inherited(SiteNetConv):
    """Defined before any layer is made; another is after."""


def test_explainers_mask_pairs_of_subclasses_whose_parents_have_layers():
    torch.manual_seed(0)
    SiteNetConv(4, 3, 2, heads=2)

    class Later(SiteNetConv):
        """Inherits what PyG has made of its parent."""

    for kind in (Inherited, Later, type("Deeper", (Later,), {})):
        conv = kind(4, 3, 2, heads=2)
        x, edge_attr = torch.randn(2, 4), torch.randn(3, 2)
        edge_index = torch.tensor([[0, 1, 0], [0, 0, 1]])
        before = conv(x, edge_index, edge_attr)
        mask = torch.zeros(3, requires_grad=True)
        set_masks(conv, mask, edge_index)
        conv(x, edge_index, edge_attr)[:, 0].sum().backward()
        assert mask.grad.abs().min() > 0
        clear_masks(conv)
        torch.testing.assert_close(conv(x, edge_index, edge_attr), before)


def integrated_gradients(network, inputs, name):
    """Of one input from zero, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    total = 0.0
    for node, weight in zip(nodes, weights, strict=True):
        scaled = (inputs[name] * (node + 1) / 2).requires_grad_()
        gradient = torch.autograd.grad(network(**inputs | {name: scaled}), scaled)[0]
        total += gradient * weight / 2
    return inputs[name] * total


def test_captum_explainer_integrates_gradients(graph):
    pytest.importorskip("captum", reason="captum is not installed")
    network = ExplainableSiteNet(make_model())
    inputs = network.inputs(graph)
    result = explain(
        network, inputs, CaptumExplainer("IntegratedGradients", n_steps=64),
        node_mask_type="attributes", edge_mask_type=None,
    )  # fmt: skip
    expected = integrated_gradients(network, inputs, "x")
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(result.node_mask, expected, rtol=1e-3, atol=1e-5)


def test_captum_explainer_masks_pairs(graph):
    pytest.importorskip("captum", reason="captum is not installed")
    network = ExplainableSiteNet(make_model())
    inputs = network.inputs(graph)
    result = explain(
        network, inputs, CaptumExplainer("Saliency"),
        node_mask_type=None, edge_mask_type="object",
    )  # fmt: skip
    assert result.edge_mask.shape == (graph.num_edges,)
    assert result.edge_mask.isfinite().all()
    near = graph.edge_attr[:, 0] < 3
    assert result.edge_mask[near].mean() > result.edge_mask[~near].mean()


def test_model_is_as_before_after_an_explanation(graph):
    model = make_model()
    network = ExplainableSiteNet(model)
    before = model(graph)
    inputs = network.inputs(graph)
    explain(network, inputs, AttentionExplainer(), edge_mask_type="object")
    explain(
        network, inputs, GNNExplainer(epochs=2),
        node_mask_type="attributes", edge_mask_type="object",
    )  # fmt: skip
    torch.testing.assert_close(model(graph), before)
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("algorithm", "masks"),
    [
        (AttentionExplainer(), {"edge_mask_type": "object"}),
        (
            GNNExplainer(epochs=5),
            {"edge_mask_type": "object", "node_mask_type": "attributes"},
        ),
    ],
)
def test_the_layer_alone_can_be_explained(graph, algorithm, masks):
    torch.manual_seed(0)
    conv = SiteNetConv(9, 4, edge_dim=2, heads=2, update_edges=False).eval()
    inputs = {
        "x": graph.x, "edge_index": graph.edge_index, "edge_attr": graph.edge_attr
    }  # fmt: skip
    result = explain(conv, inputs, algorithm, level="node", **masks)
    assert result.edge_mask.shape == (graph.num_edges,)
    assert result.edge_mask.max() > 0


@pytest.mark.filterwarnings("ignore:Input Tensor . did not already require:UserWarning")
def test_captum_explains_the_layer_alone(graph):
    pytest.importorskip("captum", reason="captum is not installed")
    torch.manual_seed(0)
    # One channel, of which Captum takes the gradient; a norm would leave none.
    conv = SiteNetConv(9, 1, edge_dim=2, update_edges=False, norm="none").eval()
    inputs = {
        "x": graph.x, "edge_index": graph.edge_index, "edge_attr": graph.edge_attr
    }  # fmt: skip
    result = explain(
        conv, inputs | {"index": 0} , CaptumExplainer("Saliency"),
        level="node", node_mask_type="attributes", edge_mask_type="object",
    )  # fmt: skip
    assert result.node_mask.shape == graph.x.shape
    assert result.edge_mask.shape == (graph.num_edges,)


@pytest.mark.parametrize("width", [1, 4])
def test_pairs_of_another_width_are_refused(rutile, width):
    network = ExplainableSiteNet(SiteNet.from_preset("paper").eval())
    inputs = network.inputs(encode_structure(rutile, max_atoms=20))
    inputs["edge_attr"] = torch.ones(len(inputs["edge_attr"]), width)
    with pytest.raises(ValueError, match=r"`edge_attr` must have shape \[\d+, 2\]"):
        network(**inputs)
    with pytest.raises(ValueError, match="`edge_attr` must have 2 columns"):
        network.model.edge_embedding(inputs["edge_attr"])
