"""Integrated gradients: sums that must come out."""

import pytest
import torch

from pyg_sitenet import load_predictor
from pyg_sitenet.analysis.crystal.integrated import integrated_gradients
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import SiteNetWarning
from pyg_sitenet.nn.explainable import ExplainableSiteNet
from pyg_sitenet.transforms import MergeEquivalent


@pytest.fixture
def graph(rutile):
    return encode_structure(rutile, max_atoms=30, dtype=torch.float64)


def test_shares_of_the_sites_add_up_to_the_prediction_less_the_baseline(
    predictor, graph
):
    model = predictor.model
    network = ExplainableSiteNet(model)
    inputs = network.inputs(graph)
    empty = network(**inputs | {"x": torch.zeros_like(inputs["x"])})
    result = integrated_gradients(model, graph, tolerance=1e-5)
    assert result.shape == (6, 1)
    expected = (model(graph) - empty).item()
    assert result.sum().item() == pytest.approx(expected, abs=1e-4)


def test_merged_sites_have_the_shares_of_their_copies(predictor, graph):
    full = integrated_gradients(predictor.model, graph)
    merged = MergeEquivalent(keep_origin=True)(graph)
    few = integrated_gradients(predictor.model, merged)
    assert few.shape == (2, 1)
    together = torch.zeros_like(few).index_add_(0, merged.merged_site, full)
    torch.testing.assert_close(few, together)


def test_shares_add_up_where_the_maximum_over_the_sites_has_kinks(rutile):
    predictor = load_predictor("band-gap")
    network = predictor.network.double()
    graph = encode_structure(
        rutile, max_atoms=50, environment="sphere", dtype=torch.float64
    )
    inputs = ExplainableSiteNet(network).inputs(graph)
    empty = ExplainableSiteNet(network)(**inputs | {"x": torch.zeros_like(inputs["x"])})
    result = integrated_gradients(network, graph)
    expected = (network(graph) - empty).item()
    assert abs(expected) > 1
    allowed = 3e-3 * network.target_scale.item()
    assert result.sum().item() == pytest.approx(expected, abs=allowed)


def test_sum_that_is_not_reached_is_told(predictor, graph):
    with pytest.warns(SiteNetWarning, match=r"within .* asked for 1e-20"):
        integrated_gradients(predictor.model, graph, 1e-20, most_parts=3)


def test_model_stays_as_it_is(predictor, graph):
    model = predictor.model.float()
    integrated_gradients(model, graph, tolerance=1.0)
    assert model.target_mean.dtype == torch.float32
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
