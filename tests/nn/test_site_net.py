"""The whole model: options, scaling, folding, published weights."""

import copy

import pytest
import torch
from ase.build import bulk
from pymatgen.core import Lattice, Structure
from torch_geometric.data import Batch, Data
from torch_geometric.utils import scatter

from pyg_sitenet.config import ModelConfig, load_preset
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import ConfigError, ModelFileError
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.pairs.pair_linear import joined_form
from pyg_sitenet.nn.weights.published import published_name
from pyg_sitenet.transforms import MergeEquivalent

SMALL = ModelConfig(
    heads=2, site_channels_per_head=8, edge_channels_per_head=4,
    attention_hidden=(16,), pre_pool=(12,), post_pool=(10,), embedding_channels=6,
)  # fmt: skip


@pytest.fixture
def rutile():
    lattice = Lattice.tetragonal(4.594, 2.959)
    return Structure.from_spacegroup(
        "P4_2/mnm", lattice, ["Ti", "O"], [[0, 0, 0], [0.3053, 0.3053, 0]]
    )


@pytest.fixture
def batch(rutile):
    silicon = bulk("Si", a=5.43)
    polonium = Structure(Lattice.cubic(3.359), ["Po"], [[0] * 3])
    graphs = [encode_structure(s, max_atoms=30) for s in (rutile, silicon, polonium)]
    return Batch.from_data_list(graphs)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_paper_preset_has_the_published_size():
    count = sum(p.numel() for p in SiteNet.from_preset("paper").parameters())
    unused_last_interaction_network = 11_088
    assert count == 304_085 - unused_last_interaction_network


@pytest.mark.parametrize(
    "options",
    [
        {"norm": "batch"},
        {"norm": "none"},
        {"pooling": "max"},
        {"pooling": "attention"},
        {"activation": "relu"},
        {"activation": "silu"},
        {"output": "softplus"},
        {"output": "clamp"},
        {"top_k": 3},
        {"distance_cutoff": 3.0},
        {"share_value_network": False},
        {"blocks": 1},
        {"blocks": 3},
        {"attention_hidden": ()},
        {"radial_basis": 8, "standardize_features": True, "residual": True},
        {"embedding_max_norm": None, "dropout": 0.2},
    ],
)
def test_every_option_reaches_every_parameter(batch, options):
    model = SiteNet(SMALL.model_copy(update=options), num_targets=2)
    out = model(batch)
    assert out.shape == (3, 2)
    (out - 1).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
@pytest.mark.parametrize("top_k", [None, 5])
def test_merged_graphs_give_the_same(rutile, pooling, top_k):
    model = SiteNet(SMALL.model_copy(update={"pooling": pooling, "top_k": top_k}))
    data = encode_structure(rutile, max_atoms=50, dtype=torch.float64)
    merged = MergeEquivalent()(data)
    assert merged.num_nodes == 2
    model = model.double().eval()
    torch.testing.assert_close(model(merged), model(data), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("environment", ["supercell", "sphere"])
def test_top_k_counts_pairs_whatever_their_weight(rutile, environment):
    model = SiteNet(SMALL.model_copy(update={"top_k": 5})).double().eval()
    data = encode_structure(
        rutile, max_atoms=50, environment=environment, dtype=torch.float64
    )
    for weights in model.attention(data).weights:
        counts = scatter((weights > 0).long(), data.edge_index[1])
        assert (counts == 5).all()
    merged = MergeEquivalent()(data)
    torch.testing.assert_close(model(merged), model(data), rtol=1e-12, atol=1e-12)


def test_batch_norm_counts_every_pair_while_training(batch):
    model = SiteNet(SMALL.model_copy(update={"norm": "batch"})).train()
    other = copy.deepcopy(model)
    apart = batch.clone()
    apart.edge_attr.requires_grad_()  # so that no pairs are grouped
    torch.testing.assert_close(model(batch), other(apart))


def test_cutoff_leaves_the_pairs_within_it(batch):
    model = SiteNet(SMALL.model_copy(update={"distance_cutoff": 3.0})).eval()
    pairs = model.attention(batch)
    near = batch.edge_attr[:, 0] <= 3.0
    assert torch.equal(pairs.edge_index, batch.edge_index[:, near])
    cut = batch.clone()
    cut.edge_index, cut.edge_attr = pairs.edge_index, pairs.edge_attr
    torch.testing.assert_close(model(cut), model(batch))


def test_attention_sums_to_one_per_site_and_head(batch):
    attention = SiteNet(SMALL).attention(batch)
    assert len(attention.weights) == SMALL.blocks
    for alpha in attention.weights:
        total = torch.zeros(batch.num_nodes, SMALL.heads)
        total.index_add_(0, batch.edge_index[1], alpha)
        torch.testing.assert_close(total, torch.ones_like(total))


def test_the_literal_bipartite_graph_gives_the_same(rutile):
    model = SiteNet(SMALL).eval()
    folded = encode_structure(rutile, max_atoms=40)
    literal = encode_structure(rutile, max_atoms=40, unfold=True)
    torch.testing.assert_close(model(literal), model(folded))
    block, x = model.blocks[-1], model.site_embedding(folded.z, folded.x)
    images = literal["atom", "image_of", "site"].edge_index[1]
    pairs = literal["atom", "interacts", "site"]
    edge_attr = model.edge_embedding(pairs.edge_attr)
    bipartite = block((x[images], x), pairs.edge_index, edge_attr)
    expected = block(x, folded.edge_index, model.edge_embedding(folded.edge_attr))
    torch.testing.assert_close(bipartite, expected)


def test_literal_graphs_can_be_batched():
    crystals = [Structure(Lattice.cubic(a), ["Po"], [[0] * 3]) for a in (3.0, 3.3)]
    model = SiteNet(SMALL).eval()
    literal = [encode_structure(c, max_atoms=30, unfold=True) for c in crystals]
    folded = [encode_structure(c, max_atoms=30) for c in crystals]
    torch.testing.assert_close(
        model(Batch.from_data_list(literal)), model(Batch.from_data_list(folded))
    )


def test_target_scaling_is_undone_in_the_output_and_kept_in_the_state(batch):
    model = SiteNet(SMALL, num_targets=2).eval()
    raw = model(batch)
    model.set_target_scaling(torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5]))
    expected = raw * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, -2.0])
    torch.testing.assert_close(model(batch), expected)
    other = SiteNet(SMALL, num_targets=2).eval()
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(batch), expected)


def test_clamp_keeps_the_gradient_of_the_identity(batch):
    model = SiteNet(SMALL.model_copy(update={"output": "clamp"}))
    model.set_target_scaling(torch.tensor([-100.0]), torch.tensor([1.0]))
    out = model(batch)
    assert torch.equal(out, torch.zeros(3, 1))
    out.sum().backward()
    assert model.readout.linear.bias.grad.item() == pytest.approx(3)


def test_softplus_output_is_positive(batch):
    model = SiteNet(SMALL.model_copy(update={"output": "softplus"}))
    model.set_target_scaling(torch.tensor([-3.0]), torch.tensor([1.0]))
    assert (model(batch) > 0).all()


def test_dropout_rests_in_evaluation(batch):
    model = SiteNet(SMALL.model_copy(update={"dropout": 0.5}))
    assert not torch.equal(model(batch), model(batch))
    model.eval()
    assert torch.equal(model(batch), model(batch))


def test_published_weights_make_the_trip_there_and_back(batch):
    config = SMALL.model_copy(update={"attention_hidden": (16, 12)})
    model = SiteNet(config).eval()
    state = {
        published_name(name): tensor
        for name, tensor in joined_form(model.state_dict()).items()
        if not name.startswith("target_")
    }
    assert "encoder.Attention_Blocks.0.ije_to_multihead.linear_layers.1.bias" in state
    assert "encoder.Attention_Blocks.1.pre_softmax_linear.weight" in state
    again = SiteNet.from_published(state, config).eval()
    torch.testing.assert_close(again(batch), model(batch))


def test_published_weights_of_another_size_are_refused():
    weights = joined_form(SiteNet(SMALL).state_dict())
    state = {published_name(k): v for k, v in weights.items()}
    with pytest.raises(ModelFileError, match=r"expected 'Elemental_Emb.*got shape"):
        SiteNet.from_published(state)
    del state["decoder.bias"]
    with pytest.raises(ModelFileError, match=r"expected 'decoder.bias'.*got none"):
        SiteNet.from_published(state, SMALL)
    with pytest.raises(TypeError, match=r"tensors by name, as torch\.load.* got str"):
        SiteNet.from_published("weights.pt")


def test_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="unknown preset 'papre', did you mean 'pape"):
        SiteNet.from_preset("papre")


@pytest.mark.parametrize("name", ["x", "edge_attr"])
def test_graph_without_what_the_network_reads_is_refused(cscl, name):
    data = encode_structure(cscl, max_atoms=20)
    del data[name]
    with pytest.raises(
        ValueError, match=f"`data` must have `{name}`; `encode_structure"
    ):
        SiteNet.from_preset("default")(data)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "edge_attr",
            lambda d: d.edge_attr[:, :1],
            r"`edge_attr` .*\[72, 2\].*\[72, 1\]",
        ),
        ("edge_attr", lambda d: d.edge_attr[:-1], r"`edge_attr` .* got \[71, 2\]"),
        ("x", lambda d: d.x[:, :8], r"`x` must have shape \[2, 9\] .* got \[2, 8\]"),
        ("edge_weight", lambda _: torch.ones(3), r"`edge_weight` .* got \[3\]"),
        ("batch", lambda _: torch.zeros(1).long(), r"`batch` .*\[2\].* got \[1\]"),
        (
            "edge_index",
            lambda d: d.edge_index.T,
            r"`edge_index` .*\[2, 72\].*72, 2\]",
        ),
        ("edge_index", lambda d: d.edge_index + 0.5, r"`edge_index` .* whole numbers"),
        ("z", lambda d: d.z * 0.5, r"`z` must hold whole numbers, got torch.float32"),
        ("z", lambda d: d.z[0], r"`z` must have shape \[2\] .* got \[\]"),
        ("z", lambda d: d.z * 0, r"`z` must hold atomic numbers, 1 to 118, got 0 to 0"),
        ("z", lambda d: d.z * 0 + 119, r"atomic numbers.* got 119 to 119"),
    ],
)
def test_fields_of_another_shape_are_refused(cscl, name, change, message):
    data = encode_structure(cscl, max_atoms=36)
    assert data.num_edges == 72
    data[name] = change(data)
    with pytest.raises(ValueError, match=message):
        SiteNet.from_preset("default")(data)


def test_plain_data_with_a_batch_and_short_indices_are_read(cscl, rutile):
    graphs = [encode_structure(crystal, max_atoms=20) for crystal in (cscl, rutile)]
    batch = Batch.from_data_list(graphs)
    model = SiteNet.from_preset("default").eval()
    plain = Data(**{key: batch[key] for key in batch.keys()})  # noqa: SIM118
    torch.testing.assert_close(model(plain), model(batch))
    plain.edge_index = plain.edge_index.int()
    torch.testing.assert_close(model(plain), model(batch))


def test_what_is_no_configuration_is_named():
    with pytest.raises(TypeError, match=r"`config` must be a ModelConfig.* got Config"):
        SiteNet(load_preset("default"))
    with pytest.raises(TypeError, match=r"got str; SiteNet\.from_preset takes names"):
        SiteNet("paper")
    with pytest.raises(ValueError, match="`num_targets` must be at least 1, got 0"):
        SiteNet(num_targets=0)


def test_negative_weights_of_a_graph_are_refused(rutile):
    data = encode_structure(rutile, max_atoms=20)
    data.edge_weight = -torch.ones(data.edge_index.size(1))
    with pytest.raises(ValueError, match="`edge_weight` must be at least 0, got -1"):
        SiteNet()(data)
