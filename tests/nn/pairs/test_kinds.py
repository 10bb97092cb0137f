"""Equal pairs are found, and computing them once changes nothing."""

import pytest
import torch
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch

from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.conv.kinds_conv import KindsConv
from pyg_sitenet.nn.pairs.kinds import Kinds, group_pairs
from pyg_sitenet.transforms import MergeEquivalent

EDGE_INDEX = torch.tensor([[1, 0, 2, 1, 0], [0, 1, 1, 2, 0]])
EDGE_ATTR = torch.tensor([[2.0, 1], [2.0, 1], [3.0, 1], [3.0, 1], [0.0, 5]])


@pytest.fixture
def crystals():
    quartz = Structure.from_spacegroup(
        "P3_221",
        Lattice.hexagonal(4.9, 5.4),
        ["Si", "O"],
        [[0.47, 0, 2 / 3], [0.4135, 0.2669, 0.7858]],
    )
    shaken = quartz.copy()
    shaken.perturb(0.05, seed=0)
    return [quartz, shaken]


def encode(structure, *, merge, dtype=torch.float32):
    data = encode_structure(structure, max_atoms=60, dtype=dtype)
    return MergeEquivalent()(data) if merge else data


def test_pairs_of_equal_sites_and_features_are_of_one_kind():
    order, kinds = group_pairs(
        EDGE_INDEX, EDGE_ATTR, torch.tensor([0, 0, 7]), torch.zeros(3).long()
    )
    # (1, 0) and (0, 1) are equal; (2, 1) and (1, 2) have their classes exchanged.
    assert len(kinds.first_pairs()) == 4
    together = {tuple(sorted(order[kinds.of_pair == k].tolist())) for k in range(4)}
    assert together == {(0, 1), (2,), (3,), (4,)}


def test_pairs_of_different_crystals_are_apart():
    crystal = torch.tensor([0, 1, 1])
    index = torch.tensor([[0, 1, 2], [0, 1, 2]])
    order, kinds = group_pairs(index, torch.zeros(3, 2), torch.zeros(3).long(), crystal)
    assert kinds.of_pair.tolist() == [0, 1, 1]
    assert order.tolist() == [0, 1, 2]


def test_nothing_is_grouped_where_hardly_any_pair_has_an_equal():
    different = torch.arange(10.0).view(5, 2)
    sites = torch.zeros(3).long()
    assert group_pairs(EDGE_INDEX, different, sites, sites) is None
    assert group_pairs(EDGE_INDEX[:, :0], different[:0], sites, sites) is None


def test_collisions_of_keys_split_kinds_but_join_none(monkeypatch):
    monkeypatch.setattr("pyg_sitenet.nn.pairs.kinds._ODD", 0)  # all keys are equal
    sites = torch.zeros(3).long()
    _, kinds = group_pairs(EDGE_INDEX, EDGE_ATTR, sites, sites)
    assert kinds.of_pair.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_grouped_pairs_give_the_same_outputs_and_gradients(crystals, merge, dtype):
    torch.manual_seed(0)
    batch = Batch.from_data_list(
        [encode(c, merge=merge, dtype=dtype) for c in crystals]
    )
    model = SiteNet.from_preset("paper").to(dtype)
    grouped = _outputs_and_gradients(model, batch)
    batch.edge_attr.requires_grad_()  # single pairs are looked at
    single = _outputs_and_gradients(model, batch)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-10
    for name, theirs in single.items():
        error = (grouped[name] - theirs).abs().max()
        # A bias common to all logits of a head changes nothing: rounding alone.
        is_zero = name.endswith(("logits.0.bias", "attention.norm.bias"))
        scale = 1e-2 if is_zero else theirs.abs().max()
        assert error <= tolerance * scale, name


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("update_edges", [False, True])
def test_layer_with_kinds_equals_message_passing(residual, update_edges):
    torch.manual_seed(0)
    conv = KindsConv(6, 2, 5, 3, residual=residual, update_edges=update_edges)
    conv = conv.double()
    x = torch.randn(3, 6).double()
    x[1] = x[0]
    sites = torch.tensor([0, 0, 7])
    order, kinds = group_pairs(EDGE_INDEX, EDGE_ATTR, sites, torch.zeros_like(sites))
    index, rows = EDGE_INDEX[:, order], torch.randn(4, 5).double()
    for form in (kinds, Kinds(kinds.of_pair, None)):
        fused = conv(x, index, rows, kinds=form)
        conv.fused = False
        plain = conv(x, index, rows, kinds=form)
        conv.fused = True
        torch.testing.assert_close(fused, plain)


def test_attention_is_given_in_the_order_of_the_pairs(crystals):
    data = encode(crystals[0], merge=True)
    attention = SiteNet.from_preset("paper").attention(data)
    assert torch.equal(attention.edge_index, data.edge_index)


def _outputs_and_gradients(model, batch):
    model.zero_grad()
    out = model(batch)
    out.square().sum().backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters()}
    return grads | {"out": out.detach()}
