"""SiteNetConv behaves as a PyG convolution and computes what its formula says."""

import numpy as np
import pytest
import torch
from torch_geometric.testing import is_full_test
from torch_geometric.utils import softmax, to_torch_coo_tensor, to_torch_csr_tensor

from pyg_sitenet.nn import SiteNetConv

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 0], [0, 0, 0, 1, 1, 2, 2, 3]])


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 8, generator=generator)
    return x, torch.randn(EDGE_INDEX.size(1), 5, generator=generator)


@pytest.fixture
def sparse_checks():
    """Torch asks to be told whether it shall check sparse tensors."""
    with torch.sparse.check_sparse_tensor_invariants(enable=True):
        yield


def layer(pair_layer, joined):
    """The layer as the paper has it, one matrix on the joined vectors."""
    weight = torch.cat([part.weight for part in pair_layer.parts()], dim=1)
    linear = torch.nn.functional.linear(joined, weight, pair_layer.receiver.bias)
    return pair_layer.norm(pair_layer.activation(linear))


def plain_loop(conv, x_src, x_dst, edge_index, edge_attr, multiplicity=None):
    """The formula, pair by pair, with the vectors joined as the paper writes them."""
    pairs = edge_index.size(1)
    count = torch.ones(pairs) if multiplicity is None else multiplicity
    out_sites, out_edges = [], torch.empty(pairs, conv.edge_dim)
    for receiver in range(x_dst.size(0)):
        logits, values = [], []
        edges = (edge_index[1] == receiver).nonzero().flatten()
        for pair in edges:
            sender = edge_index[0, pair]
            joined = torch.cat([x_dst[receiver], x_src[sender], edge_attr[pair]])
            logits.append(
                conv.logits(layer(conv.attention, joined)) + count[pair].log()
            )
            values.append(layer(conv.value, joined))
            if conv.edge is not None:
                out_edges[pair] = layer(conv.edge, joined)
        alpha = torch.stack(logits).softmax(dim=0)  # [pairs, H]
        heads = torch.einsum("ph,pe->eh", alpha, torch.stack(values))
        out_sites.append(conv.site(heads.reshape(-1)))  # position e * H + h
    return torch.stack(out_sites), out_edges


@pytest.mark.parametrize("multiplicity", [None, torch.arange(1.0, 9.0)])
def test_equals_the_formula_written_as_a_loop(inputs, multiplicity):
    x, edge_attr = inputs
    conv = SiteNetConv(
        8, 6, edge_dim=5, heads=3, attention_hidden=(16,), update_edges=True
    )
    out, edges = conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=multiplicity)
    expected = plain_loop(conv, x, x, EDGE_INDEX, edge_attr, multiplicity)
    torch.testing.assert_close(out, expected[0])
    torch.testing.assert_close(edges, expected[1])


def test_shapes_and_repr(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=3, update_edges=True)
    assert str(conv) == "SiteNetConv(8, 6, edge_dim=5, heads=3)"
    out, edges = conv(x, EDGE_INDEX, edge_attr)
    assert out.shape == (4, 18)
    assert edges.shape == (8, 5)


def test_without_edge_update_returns_the_sites_alone(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5)
    out = conv(x, EDGE_INDEX, edge_attr)
    assert isinstance(out, torch.Tensor)
    assert out.shape == (4, 6)


@pytest.mark.usefixtures("sparse_checks")
def test_sparse_adjacencies_give_the_same(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=2)
    expected = conv(x, EDGE_INDEX, edge_attr)
    order = (EDGE_INDEX[1] * 4 + EDGE_INDEX[0]).argsort()  # by receiver, then sender
    for to_sparse in (to_torch_csr_tensor, to_torch_coo_tensor):
        adj = to_sparse(EDGE_INDEX.flip(0), edge_attr, size=(4, 4))
        torch.testing.assert_close(conv(x, adj), expected)
        bare = to_sparse(EDGE_INDEX.flip(0), size=(4, 4))
        torch.testing.assert_close(conv(x, bare, edge_attr[order]), expected)


@pytest.mark.usefixtures("sparse_checks")
def test_senders_and_receivers_of_different_kinds(inputs):
    x, edge_attr = inputs
    x_dst = torch.randn(2, 7, generator=torch.Generator().manual_seed(2))
    edge_index = torch.tensor([[0, 1, 2, 3, 0, 1], [0, 0, 0, 0, 1, 1]])
    edge_attr = edge_attr[:6]
    conv = SiteNetConv(
        (8, 7), 6, edge_dim=5, heads=2, attention_hidden=(16,), update_edges=True
    )
    out, edges = conv((x, x_dst), edge_index, edge_attr, size=(4, 2))
    expected = plain_loop(conv, x, x_dst, edge_index, edge_attr)
    torch.testing.assert_close(out, expected[0])
    torch.testing.assert_close(edges, expected[1])
    adj = to_torch_csr_tensor(edge_index.flip(0), edge_attr, size=(2, 4))
    torch.testing.assert_close(conv((x, x_dst), adj)[0], out)


def test_attention_weights_sum_to_one(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=3, update_edges=True)
    plain = conv(x, EDGE_INDEX, edge_attr)
    result, (edge_index, alpha) = conv(
        x, EDGE_INDEX, edge_attr, return_attention_weights=True
    )
    torch.testing.assert_close(result[0], plain[0])
    assert edge_index is EDGE_INDEX
    total = torch.zeros(4, 3).index_add_(0, EDGE_INDEX[1], alpha)
    torch.testing.assert_close(total, torch.ones(4, 3))


@pytest.mark.usefixtures("sparse_checks")
def test_attention_weights_of_a_sparse_adjacency(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=3)
    adj = to_torch_csr_tensor(EDGE_INDEX.flip(0), edge_attr, size=(4, 4))
    _, (same, alpha) = conv(x, adj, return_attention_weights=True)
    assert same is adj
    _, (_, expected) = conv(x, EDGE_INDEX, edge_attr, return_attention_weights=True)
    order = (EDGE_INDEX[1] * 4 + EDGE_INDEX[0]).argsort()  # by receiver, then sender
    torch.testing.assert_close(alpha, expected[order])


def test_a_multiplicity_stands_for_that_many_copies(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=2)
    count = torch.tensor([3, 1, 2, 1, 4, 1, 1, 2])
    copies = torch.arange(8).repeat_interleave(count)
    full = conv(x, EDGE_INDEX[:, copies], edge_attr[copies])
    merged = conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=count)
    torch.testing.assert_close(merged, full)


@pytest.mark.parametrize("k", [1, 2, 4, 100])
def test_top_k_keeps_the_k_largest_copies(inputs, k):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=2, top_k=k)
    count = torch.tensor([3, 1, 2, 1, 4, 1, 1, 2])
    copies = torch.arange(8).repeat_interleave(count)
    full, (_, alpha) = conv(
        x, EDGE_INDEX[:, copies], edge_attr[copies], return_attention_weights=True
    )
    counts = torch.zeros(4, 2).index_add_(0, EDGE_INDEX[1, copies], (alpha > 0).float())
    available = torch.zeros(4).index_add_(0, EDGE_INDEX[1], count.float())
    assert torch.equal(counts, available.clamp(max=k)[:, None].expand(4, 2))
    merged = conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=count)
    torch.testing.assert_close(merged, full)


def test_a_weight_scales_each_copy_in_the_softmax(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=2)
    count, weight = torch.tensor([3, 1, 2, 1, 4, 1, 1, 2]), torch.rand(8)
    expected = conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=count * weight)
    for fused in (True, False):
        conv.fused = fused
        outcome = conv(
            x, EDGE_INDEX, edge_attr, edge_multiplicity=count, edge_weight=weight
        )
        torch.testing.assert_close(outcome, expected)
    alone = conv(x, EDGE_INDEX, edge_attr, edge_weight=weight)
    expected = conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=weight)
    torch.testing.assert_close(alone, expected)


def test_top_k_chooses_by_weighted_logits_and_counts_copies(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, top_k=2)
    count, weight = torch.tensor([3, 1, 2, 1, 4, 1, 1, 2]), torch.full((8,), 1e-6)
    weight[[1, 3]] = 1.0
    copies = torch.arange(8).repeat_interleave(count)
    arguments = EDGE_INDEX[:, copies], edge_attr[copies]
    full, (_, alpha) = conv(
        x, *arguments, edge_weight=weight[copies], return_attention_weights=True
    )
    merged = conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=count, edge_weight=weight)
    torch.testing.assert_close(merged, full)
    assert (alpha[(copies == 1) | (copies == 3)] > 0).all()


def test_top_k_refuses_parts_of_pairs(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, top_k=2)
    with pytest.raises(ValueError, match="whole numbers where top_k chooses"):
        conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=torch.ones(8))


def test_top_k_keeps_the_weights_of_a_softmax_over_the_kept(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, top_k=2)
    _, (_, alpha) = conv(x, EDGE_INDEX, edge_attr, return_attention_weights=True)
    conv.top_k = None
    _, (_, dense) = conv(x, EDGE_INDEX, edge_attr, return_attention_weights=True)
    is_near = alpha[:, 0] > 0
    expected = softmax(dense[is_near, 0].log(), EDGE_INDEX[1, is_near])
    torch.testing.assert_close(alpha[is_near, 0], expected)
    lost = [dense[~is_near & (EDGE_INDEX[1] == i), 0] for i in range(4)]
    for receiver, weights in enumerate(lost):
        held = dense[is_near & (EDGE_INDEX[1] == receiver), 0]
        assert (weights <= held.min()).all()


def test_independent_value_networks_per_head(inputs):
    x, edge_attr = inputs
    options = {"edge_dim": 5, "heads": 2}
    shared = SiteNetConv(8, 6, **options)
    own = SiteNetConv(8, 6, share_value_network=False, **options)
    own.load_state_dict(
        shared.state_dict()
        | {
            "value.receiver.weight": shared.value.receiver.weight.repeat(2, 1),
            "value.sender.weight": shared.value.sender.weight.repeat(2, 1),
            "value.pair.weight": shared.value.pair.weight.repeat(2, 1),
            "value.receiver.bias": shared.value.receiver.bias.repeat(2),
            "value.norm.weight": shared.value.norm.weight.repeat(2),
            "value.norm.bias": shared.value.norm.bias.repeat(2),
        }
    )
    expected = shared(x, EDGE_INDEX, edge_attr)
    torch.testing.assert_close(own(x, EDGE_INDEX, edge_attr), expected)
    with torch.no_grad():
        own.value.receiver.bias[6:] += torch.arange(6.0)  # the second head's network
    out, (_, _alpha) = own(x, EDGE_INDEX, edge_attr, return_attention_weights=True)
    assert not torch.allclose(out, expected)


@pytest.mark.parametrize("hidden", [(), (16,), (16, 12), (16, 12, 8)])
@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
@pytest.mark.parametrize("activation", ["mish", "relu", "silu"])
def test_every_option_trains(inputs, hidden, norm, activation):
    x, edge_attr = inputs
    conv = SiteNetConv(
        8, 6, edge_dim=5, heads=2, attention_hidden=hidden, norm=norm,
        activation=activation, dropout=0.1, residual=True, update_edges=True,
    )  # fmt: skip
    out, edges = conv(x, EDGE_INDEX, edge_attr)
    (out.square().sum() + edges.square().sum()).backward()
    for name, parameter in conv.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name


def test_residual_adds_what_came_in(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 4, edge_dim=5, heads=2, update_edges=True)
    out, edges = conv(x, EDGE_INDEX, edge_attr)
    conv.residual = True
    out_residual, edges_residual = conv(x, EDGE_INDEX, edge_attr)
    torch.testing.assert_close(out_residual, out + x)
    torch.testing.assert_close(edges_residual, edges + edge_attr)


def test_reset_parameters_draws_anew(inputs):
    _x, _edge_attr = inputs
    torch.manual_seed(5)
    conv = SiteNetConv(8, 6, edge_dim=5, attention_hidden=(16, 16))
    before = {k: v.clone() for k, v in conv.state_dict().items()}
    torch.manual_seed(5)
    conv.reset_parameters()
    for name, tensor in conv.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    conv.reset_parameters()
    assert not torch.equal(conv.value.pair.weight, before["value.pair.weight"])


@pytest.mark.parametrize("update_edges", [True, False])
def test_compiles_without_graph_breaks(inputs, update_edges):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=3, update_edges=update_edges)
    backend = "inductor" if is_full_test() else "aot_eager"
    compiled = torch.compile(conv, fullgraph=True, backend=backend)
    expected = conv(x, EDGE_INDEX, edge_attr)
    torch.testing.assert_close(compiled(x, EDGE_INDEX, edge_attr), expected)


def test_gradients_are_those_of_finite_differences(inputs):
    x, edge_attr = (tensor.double().requires_grad_() for tensor in inputs)
    conv = SiteNetConv(
        8, 3, edge_dim=5, heads=2, attention_hidden=(6,), update_edges=True
    ).double()
    count = torch.arange(1.0, 9.0, dtype=torch.float64)

    def run(x, edge_attr):
        return conv(x, EDGE_INDEX, edge_attr, edge_multiplicity=count)

    assert torch.autograd.gradcheck(run, (x, edge_attr))


def test_runs_on_meta_tensors(inputs):
    conv = SiteNetConv(8, 6, edge_dim=5, heads=3).to("meta")
    x, edge_attr = (tensor.to("meta") for tensor in inputs)
    out = conv(x, EDGE_INDEX.to("meta"), edge_attr, size=(4, 4))
    assert out.shape == (4, 18)
    assert out.device.type == "meta"


@pytest.mark.parametrize("name", ["in_channels", "out_channels", "heads", "edge_dim"])
def test_sizes_below_one_are_refused(name):
    sizes = {"in_channels": 8, "out_channels": 6, "edge_dim": 5, "heads": 1, name: 0}
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        SiteNetConv(**sizes)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match=r"`activation` must be .*got 'sharp'"):
        SiteNetConv(8, 6, edge_dim=5, activation="sharp")
    with pytest.raises(ValueError, match=r"`norm` must be 'layer', .* got 'rough'"):
        SiteNetConv(8, 6, edge_dim=5, norm="rough")
    with pytest.raises(ValueError, match=r"`decomposed_layers` must be 1, .* got 2"):
        SiteNetConv(8, 6, edge_dim=5, decomposed_layers=2)
    with pytest.raises(ValueError, match=r"`locality` must be two lengths .* got 5\.0"):
        SiteNetConv(8, 6, edge_dim=5, locality=5.0)
    SiteNetConv(8, 6, edge_dim=5, heads=3, locality=np.array([1.0, 4.0]))
    with pytest.raises(ValueError, match=r"`dropout` must be 0 beside `projection`"):
        SiteNetConv(8, 6, edge_dim=5, projection=7, dropout=0.5)
    with pytest.raises(ValueError, match="dropout probability has to be between 0"):
        SiteNetConv(8, 6, edge_dim=5, dropout=-0.1)


@pytest.mark.parametrize("fused", [True, False])
def test_locality_weakens_pairs_by_their_length(inputs, fused):
    x, edge_attr = inputs
    options = {"edge_dim": 5, "heads": 3, "update_edges": False, "projection": 8}
    conv = SiteNetConv(8, 6, locality=(0.5, 8.0), **options)
    conv.fused = fused
    lengths = torch.tensor([0.5, 2.0, 8.0])  # evenly in the logarithm
    torch.testing.assert_close(conv.log_length.exp().detach(), lengths)
    distance = torch.linspace(1, 9, EDGE_INDEX.size(1))
    _, (_, alpha) = conv(
        x, EDGE_INDEX, edge_attr, edge_length=distance, return_attention_weights=True
    )
    _, (_, equal) = conv(
        x, EDGE_INDEX, edge_attr, edge_length=torch.zeros_like(distance),
        return_attention_weights=True,
    )  # fmt: skip
    logits = equal.log() - distance[:, None] / lengths
    torch.testing.assert_close(alpha, softmax(logits, EDGE_INDEX[1]))


def test_locality_needs_lengths_and_sensible_ranges(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, locality=(0.5, 8.0))
    with pytest.raises(ValueError, match=r"pass `edge_length`, of shape \[E\]"):
        conv(x, EDGE_INDEX, edge_attr)
    with pytest.raises(ValueError, match="two lengths above 0, got"):
        SiteNetConv(8, 6, edge_dim=5, locality=(0.0, 8.0))


def test_lengths_are_learnt_and_drawn_anew(inputs):
    x, edge_attr = inputs
    conv = SiteNetConv(8, 6, edge_dim=5, heads=2, locality=(1, 4))
    distance = torch.linspace(1, 9, EDGE_INDEX.size(1))
    conv(x, EDGE_INDEX, edge_attr, edge_length=distance).square().sum().backward()
    assert (conv.log_length.grad != 0).all()
    conv.log_length.data.zero_()
    conv.reset_parameters()
    torch.testing.assert_close(conv.log_length.exp().detach(), torch.tensor([1.0, 4]))


def test_features_of_another_size_are_named(inputs):
    _, edge_attr = inputs
    with pytest.raises(ValueError, match=r"`x` must have shape \[num_nodes, 8\], got"):
        SiteNetConv(8, 6, edge_dim=5)(torch.zeros(4, 3), EDGE_INDEX, edge_attr)
