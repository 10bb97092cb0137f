"""Gradients against finite differences, and sums that must come out."""

import pytest
import torch

from pyg_sitenet.analysis.crystal.attribution import pair_gradients
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.transforms import MergeEquivalent, expand_pairs

STEP = 1e-5


@pytest.fixture
def graph(rutile):
    return encode_structure(rutile, max_atoms=30, dtype=torch.float64)


def test_distances_add_up_to_the_change_of_a_stretched_crystal(
    predictor, rutile, graph
):
    model = predictor.model
    result = pair_gradients(model, graph)
    stretched = [rutile.copy(), rutile.copy()]
    for sign, crystal in zip((1, -1), stretched, strict=True):
        crystal.scale_lattice(rutile.volume * (1 + sign * STEP) ** 3)
    values = [
        model(encode_structure(crystal, max_atoms=30, dtype=torch.float64)).item()
        for crystal in stretched
    ]
    expected = (values[0] - values[1]) / (2 * STEP)
    total = (result.distance[:, 0] * graph.edge_attr[:, 0]).sum().item()
    assert total == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("pair", [0, 7, 40])
def test_weight_gradient_is_that_of_one_pair_counted_more(predictor, graph, pair):
    result = pair_gradients(predictor.model, graph).weight[pair, 0].item()
    values = []
    for sign in (1, -1):
        more = graph.clone()
        more.edge_weight = torch.ones(graph.num_edges, dtype=torch.float64)
        more.edge_weight[pair] += sign * STEP
        values.append(predictor.model(more).item())
    assert result == pytest.approx((values[0] - values[1]) / (2 * STEP), abs=1e-8)


def test_counting_all_pairs_of_a_site_more_changes_nothing(predictor, graph):
    result = pair_gradients(predictor.model, graph)
    of_site = torch.zeros(6, 1, dtype=torch.float64)
    of_site.index_add_(0, graph.edge_index[1], result.weight)
    assert result.weight.abs().max() > 1e-6
    torch.testing.assert_close(of_site, torch.zeros_like(of_site), atol=1e-9, rtol=0)


def test_merged_gradients_expand_to_those_of_every_pair(predictor, graph):
    full = pair_gradients(predictor.model, graph)
    merged = MergeEquivalent(keep_origin=True)(graph)
    receivers = merged.site_multiplicity[merged.edge_index[1]]
    copies = (merged.edge_multiplicity * receivers)[:, None]
    for few, all_ in zip(pair_gradients(predictor.model, merged), full, strict=True):
        torch.testing.assert_close(expand_pairs(merged, few / copies), all_)


def test_pairs_beyond_the_cutoff_have_none(make_predictor, graph):
    model = make_predictor("model.distance_cutoff=3.0").model
    for result in pair_gradients(model, graph):
        far = graph.edge_attr[:, 0] > 3
        assert (result[far] == 0).all()
        assert result[~far].abs().max() > 0


def test_model_stays_as_it_is(predictor, graph):
    model = predictor.model.float()
    pair_gradients(model, graph)
    assert model.target_mean.dtype == torch.float32
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
