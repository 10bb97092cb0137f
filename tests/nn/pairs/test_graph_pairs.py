"""Equal pairs that were found beforehand are used as if the network had found them."""

from __future__ import annotations

import pytest
import torch
from pymatgen.core import Structure
from torch import Tensor
from torch_geometric.data import Batch

from pyg_sitenet.config import ModelConfig
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.pairs.graph_pairs import note_equal_pairs


@pytest.fixture
def batch(nacl: Structure, silicon: Structure) -> Batch:
    graphs = [encode_structure(crystal, max_atoms=40) for crystal in (nacl, silicon)]
    return Batch.from_data_list(graphs)


def _results(model: SiteNet, batch: Batch) -> list[Tensor]:
    model.zero_grad()
    out = model(batch)
    out.square().sum().backward()
    return [out, *(weight.grad.clone() for weight in model.parameters())]


def _model(**settings: object) -> SiteNet:
    torch.manual_seed(0)
    model = SiteNet(ModelConfig.model_validate(settings))
    model.site_embedding.settle()
    return model


def test_noted_pairs_give_the_same_bits_as_a_search(batch: Batch) -> None:
    model = _model()
    searched = _results(model, batch)
    note_equal_pairs(batch)
    assert len(batch.equal_pairs) == 3
    for own, other in zip(_results(model, batch.clone()), searched, strict=True):
        assert torch.equal(own, other)


def test_the_note_is_used_and_goes_along_to_a_device(batch: Batch) -> None:
    note_equal_pairs(batch)
    assert all(part.is_meta for part in batch.clone().to("meta").equal_pairs)
    model, (order, of_pair, _) = _model(), batch.equal_pairs
    noted = _results(model, batch)
    edge_attr = batch.edge_attr.clone()
    batch.edge_attr[order[of_pair.diff(prepend=of_pair[:1] - 1) == 0]] = torch.nan
    for own, other in zip(_results(model, batch), noted, strict=True):
        assert torch.equal(own, other)  # of each kind the first pair alone is read
    batch.edge_attr, batch.equal_pairs = edge_attr, []  # as if few were equal
    for own, other in zip(_results(model, batch), noted, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-5)


def test_note_is_of_all_pairs_and_not_of_those_within_a_cutoff(batch: Batch) -> None:
    model = _model(distance_cutoff=5.0)
    searched = _results(model, batch)
    note_equal_pairs(batch)
    for own, other in zip(_results(model, batch), searched, strict=True):
        assert torch.equal(own, other)
