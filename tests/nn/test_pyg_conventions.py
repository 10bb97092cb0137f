"""SiteNetConv takes what PyG's own convolutions take, and fits where they fit."""

import inspect
import warnings

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.explain import AttentionExplainer, Explainer, GraphMaskExplainer
from torch_geometric.nn import (
    GPSConv,
    HeteroConv,
    MessagePassing,
    Sequential,
    to_hetero,
)
from torch_geometric.nn.conv.utils import cheatsheet
from torch_geometric.nn.models.basic_gnn import BasicGNN

from pyg_sitenet.nn import SiteNetConv
from pyg_sitenet.nn.fast.fused_conv import can_fuse

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 0], [0, 0, 0, 1, 1, 2, 2, 3]])
EDGES = ("a", "to", "a"), ("a", "to", "b")


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 8, generator=generator)
    return x, EDGE_INDEX, torch.randn(EDGE_INDEX.size(1), 5, generator=generator)


def make_conv(in_channels=8, out_channels=6, edge_dim=5, heads=2, **options):
    torch.manual_seed(0)
    options = {"attention_hidden": (7,), **options}
    return SiteNetConv(in_channels, out_channels, edge_dim, heads, **options)


# What it takes.

PATHS = [
    {},
    {"dtype": torch.float64},
    {"top_k": 2},
    {"share_value_network": False},
    {"norm": "none", "activation": "relu"},
    {"attention_hidden": ()},
    {"locality": (0.5, 5.0), "projection": 3},
    {"fused": False},
]


@pytest.mark.parametrize("options", PATHS, ids=str)
@pytest.mark.parametrize("num_sites", [0, 3])
def test_graphs_without_pairs_or_sites(options, num_sites):
    dtype = options.get("dtype", torch.float32)
    fused = options.get("fused", True)
    options = {k: v for k, v in options.items() if k not in ("dtype", "fused")}
    conv = make_conv(update_edges=True, **options).to(dtype)
    conv.fused = fused
    x = torch.randn(num_sites, 8, dtype=dtype, requires_grad=True)
    index, edge_attr = torch.empty(2, 0).long(), torch.empty(0, 5, dtype=dtype)
    (sites, pairs), (_, alpha) = conv(
        x,
        index,
        edge_attr,
        edge_multiplicity=torch.empty(0).long(),
        edge_length=torch.empty(0, dtype=dtype),
        return_attention_weights=True,
    )
    sites.sum().backward()
    assert sites.shape == (num_sites, options.get("projection", 12))
    assert (pairs.shape, alpha.shape) == ((0, 5), (0, 2))
    assert sites.isfinite().all()


def test_pairs_may_have_no_features(inputs):
    x, edge_index, _ = inputs
    out = make_conv(edge_dim=None)(x, edge_index)
    assert out.shape == (4, 12)
    conv = make_conv()
    zeros = torch.zeros(edge_index.size(1), 5)
    torch.testing.assert_close(conv(x, edge_index), conv(x, edge_index, zeros))


def test_one_feature_a_pair_may_be_a_vector(inputs):
    x, edge_index, edge_attr = inputs
    for options in ({}, {"residual": True, "update_edges": True}):
        conv = make_conv(edge_dim=1, **options)
        expected = conv(x, edge_index, edge_attr[:, :1])
        for conv.fused in (True, False):
            torch.testing.assert_close(conv(x, edge_index, edge_attr[:, 0]), expected)


@pytest.mark.parametrize(
    ("in_channels", "edge_dim"), [(-1, 5), ((-1, -1), -1), (8, -1), ((8, -1), 5)]
)
def test_sizes_left_open_are_those_of_the_first_inputs(inputs, in_channels, edge_dim):
    conv = make_conv(in_channels, edge_dim=edge_dim)
    torch.manual_seed(4)
    out = conv(*inputs)
    assert out.shape == (4, 12)
    assert can_fuse(conv, (inputs[0], inputs[0]), *inputs[1:], None)
    expected = make_conv()
    state = {name: value.shape for name, value in expected.state_dict().items()}
    assert {name: value.shape for name, value in conv.state_dict().items()} == state
    expected.load_state_dict(conv.state_dict())
    torch.testing.assert_close(expected(*inputs), out)
    lazy = make_conv(in_channels, edge_dim=edge_dim)
    lazy.load_state_dict(conv.state_dict())
    torch.testing.assert_close(lazy(*inputs), out)


def test_open_sizes_are_drawn_as_given_ones(inputs):
    conv = make_conv(-1, edge_dim=-1)
    conv(*inputs)
    bound = (8 + 8 + 5) ** -0.5
    for part in conv.value.parts():
        assert 0.8 * bound < part.weight.abs().max() <= bound


def test_receivers_may_have_no_features(inputs):
    x, _, edge_attr = inputs
    edge_index = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    conv = make_conv((8, 3))
    expected = conv((x, torch.zeros(2, 3)), edge_index, edge_attr[:4])
    out = conv((x, None), edge_index, edge_attr[:4], size=(4, 2))
    torch.testing.assert_close(out, expected)
    assert conv((x, None), edge_index, edge_attr[:4]).shape == (4, 12)


def test_messages_flow_both_ways(inputs):
    x, edge_index, edge_attr = inputs
    forth, back = make_conv(), make_conv(flow="target_to_source")
    back.load_state_dict(forth.state_dict())
    out = back(x, edge_index.flip(0), edge_attr)
    torch.testing.assert_close(out, forth(x, edge_index, edge_attr))


class WithoutTemplate(SiteNetConv):
    def propagate(self, edge_index, size=None, **values):
        return MessagePassing.propagate(self, edge_index, size, **values)

    def edge_updater(self, edge_index, size=None, **values):
        return MessagePassing.edge_updater(self, edge_index, size, **values)


def test_flow_may_be_turned_where_pyg_has_no_template(inputs):
    conv = WithoutTemplate(8, 6, 5, heads=2)
    conv.fused = False
    x, edge_index, edge_attr = inputs
    expected = conv(x, edge_index, edge_attr)
    conv.flow = "target_to_source"
    torch.testing.assert_close(conv(x, edge_index.flip(0), edge_attr), expected)


class Doubled(SiteNetConv):
    def propagate(self, edge_index, size=None, **values):
        return 2 * MessagePassing.propagate(self, edge_index, size, **values)


class StillDoubled(Doubled):
    """Has it from its parent."""


@pytest.mark.parametrize("kind", [Doubled, StillDoubled])
def test_passing_of_a_subclass_is_followed(inputs, kind):
    plain, own = make_conv(), kind(8, 6, 5, heads=2, attention_hidden=(7,))
    own.load_state_dict(plain.state_dict())
    plain.site, own.site = torch.nn.Identity(), torch.nn.Identity()
    torch.testing.assert_close(own(*inputs), 2 * plain(*inputs))


def test_passing_of_a_layer_is_followed(inputs):
    plain, own = make_conv(), make_conv()
    plain.site, own.site = torch.nn.Identity(), torch.nn.Identity()
    expected, passing = 2 * plain(*inputs), own.propagate
    own.propagate = lambda *args, **values: 2 * passing(*args, **values)
    torch.testing.assert_close(own(*inputs), expected)


def test_pyg_has_a_template_for_the_layer():
    conv = make_conv()
    for method in (conv.propagate, conv.edge_updater):
        assert method.__module__ != MessagePassing.__module__


def test_sides_of_different_sizes_may_be_turned(inputs):
    x, edge_attr = inputs[0], inputs[2][:4]
    edge_index = torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]])
    forth, back = make_conv((8, 3)), make_conv((8, 3), flow="target_to_source")
    back.load_state_dict(forth.state_dict())
    both = (x, x[:2, :3])
    expected = forth(both, edge_index, edge_attr)
    torch.testing.assert_close(back(both, edge_index.flip(0), edge_attr), expected)


@pytest.mark.parametrize("options", [{}, {"top_k": 2}])
def test_static_graphs_are_those_one_by_one(inputs, options):
    x, edge_index, edge_attr = inputs
    conv, both = make_conv(**options), torch.stack([x, 2 * x])
    expected = torch.stack([conv(part, edge_index, edge_attr) for part in both])
    torch.testing.assert_close(conv(both, edge_index, edge_attr), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_index": EDGE_INDEX[:1]}, r"`edge_index` must .* \[2, num_edges\], got"),
        ({"edge_index": EDGE_INDEX[0]}, r"`edge_index` must .*, got \[8\]"),
        ({"edge_attr": torch.rand(8, 4)}, r"`edge_attr` must .* \[8, 5\], .* \[8, 4\]"),
        ({"edge_attr": torch.rand(7, 5)}, r"`edge_attr` must .* \[8, 5\], .* \[7, 5\]"),
        ({"x": torch.rand(8)}, r"`x` must have shape .*, got \[8\]"),
    ],
)
def test_wrong_shapes_are_named(inputs, change, message):
    names = ("x", "edge_index", "edge_attr")
    arguments = dict(zip(names, inputs, strict=True)) | change
    with pytest.raises(ValueError, match=message):
        make_conv()(**arguments)


def test_features_without_a_place_are_refused(inputs):
    with pytest.raises(ValueError, match="`edge_attr` needs a layer with `edge_dim`"):
        make_conv(edge_dim=None)(*inputs)
    for size in (None, -1):
        with pytest.raises(ValueError, match=r"`edge_dim` must be the size .*, got"):
            make_conv(edge_dim=size, update_edges=True)


# Conventions.


def test_sizes_and_name_are_as_given():
    conv = SiteNetConv(8, 6)
    assert (conv.in_channels, conv.update_edges) == (8, False)
    assert str(conv) == "SiteNetConv(8, 6, heads=1)"
    assert str(make_conv((8, 3))) == "SiteNetConv((8, 3), 6, edge_dim=5, heads=2)"


@pytest.mark.parametrize(
    "norm", ["LayerNorm", "GraphNorm", "PairNorm", None, nn.RMSNorm]
)
@pytest.mark.parametrize("activation", ["gelu", "LeakyReLU", nn.PReLU, nn.ELU(2.0)])
def test_norms_and_activations_of_pyg(inputs, norm, activation):
    conv = make_conv(norm=norm, activation=activation)
    assert conv(*inputs).isfinite().all()
    assert conv.value.activation is not conv.attention.activation


@pytest.mark.parametrize("aggr", ["add", "sum"])
def test_sum_is_as_fast_as_add(inputs, aggr):
    conv = make_conv(aggr=aggr)
    assert can_fuse(conv, (inputs[0], inputs[0]), *inputs[1:], None)


def test_annotations_say_what_the_cheat_sheet_reads(monkeypatch):
    from torch_geometric.nn import conv as convolutions

    monkeypatch.setitem(vars(convolutions), "SiteNetConv", SiteNetConv)
    questions = (
        cheatsheet.supports_sparse_tensor,
        cheatsheet.supports_edge_features,
        cheatsheet.supports_edge_weights,
        cheatsheet.supports_bipartite_graphs,
        cheatsheet.supports_static_graphs,
        cheatsheet.supports_lazy_initialization,
    )
    for question in questions:
        assert question("SiteNetConv"), question
    assert cheatsheet.paper_link("SiteNetConv").endswith("10.1039/d3dd00005b")
    assert "Site-Net" in cheatsheet.paper_title("SiteNetConv")
    annotations = inspect.signature(SiteNetConv.forward).parameters.values()
    assert not any(isinstance(part.annotation, str) for part in annotations)


def test_operations_are_counted(inputs):
    conv = make_conv()
    counts = []
    for conv.fused in (True, False):
        with FlopCounterMode(display=False) as counter:
            conv(*inputs)
        counts.append(counter.get_total_flops())
    assert counts[0] == counts[1] >= 2 * 8 * 5 * (7 + 6)


# Where it fits.


def test_heterogeneous_graphs(inputs):
    x, edge_index, edge_attr = inputs
    conv = HeteroConv({edges: make_conv((-1, -1), edge_dim=5) for edges in EDGES})
    out = conv(
        {"a": x, "b": x[:, :3]},
        dict.fromkeys(EDGES, edge_index),
        edge_attr_dict=dict.fromkeys(EDGES, edge_attr),
    )
    assert {name: value.shape for name, value in out.items()} == {
        "a": (4, 12),
        "b": (4, 12),
    }


class Network(nn.Module):
    def __init__(self, heads=1):
        super().__init__()
        self.first = make_conv(8, 6, heads=heads)
        self.second = make_conv(6 * heads, 1, heads=1, norm="none")

    def forward(self, x, edge_index, edge_attr):
        return self.second(self.first(x, edge_index, edge_attr), edge_index, edge_attr)


def test_networks_become_heterogeneous(inputs):
    x, edge_index, edge_attr = inputs
    model = to_hetero(Network(), (["a", "b"], [*EDGES, ("b", "to", "a")]))
    edges = [*EDGES, ("b", "to", "a")]
    out = model(
        {"a": x, "b": x},
        dict.fromkeys(edges, edge_index),
        dict.fromkeys(edges, edge_attr),
    )
    assert out["b"].shape == (4, 1)


def test_sequences_and_transformers(inputs):
    x, edge_index, edge_attr = inputs
    model = Sequential(
        "x, edge_index, edge_attr",
        [
            (make_conv(), "x, edge_index, edge_attr -> x"),
            nn.ReLU(),
            (make_conv(12), "x, edge_index, edge_attr -> x"),
        ],
    )
    assert model(x, edge_index, edge_attr).shape == (4, 12)
    model = GPSConv(8, make_conv(8, 4), heads=2)
    assert model(x, edge_index, edge_attr=edge_attr).shape == (4, 8)


def test_basic_networks(inputs):
    class SiteGNN(BasicGNN):
        supports_edge_weight = False
        supports_edge_attr = True

        def init_conv(self, in_channels, out_channels, **kwargs):
            return SiteNetConv(in_channels, out_channels, **kwargs)

    x, edge_index, edge_attr = inputs
    model = SiteGNN(8, 16, 2, out_channels=7, edge_dim=5)
    assert model(x, edge_index, edge_attr=edge_attr).shape == (4, 7)


@pytest.mark.parametrize(
    "algorithm", [AttentionExplainer(), GraphMaskExplainer(2, epochs=2, log=False)]
)
def test_explainers(inputs, algorithm):
    x, edge_index, edge_attr = inputs
    masks = {"edge_mask_type": "object"}
    if isinstance(algorithm, GraphMaskExplainer):
        masks["node_mask_type"] = "attributes"
    explainer = Explainer(
        Network(),
        algorithm,
        explanation_type="model",
        model_config={
            "mode": "regression", "task_level": "node", "return_type": "raw"
        },
        **masks,
    )  # fmt: skip
    explanation = explainer(x, edge_index, edge_attr=edge_attr)
    assert explanation.edge_mask.shape == (8,)
    assert 0 <= explanation.edge_mask.min() <= explanation.edge_mask.max() <= 1


def test_graphgym_finds_the_layer(inputs):
    from torch_geometric.data import Data

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GraphGym asks for packages of its own
        from torch_geometric.graphgym.models.layer import LayerConfig
        from torch_geometric.graphgym.register import layer_dict

        import pyg_sitenet.nn.graphgym  # noqa: F401
    x, edge_index, edge_attr = inputs
    for edge_dim in (5, -1):
        config = LayerConfig(dim_in=8, dim_out=6, edge_dim=edge_dim)
        layer = layer_dict["sitenetconv"](config)
        batch = Data(x=x, edge_index=edge_index, edge_attr=edge_attr)
        assert layer(batch).x.shape == (4, 6)


# Where it is compiled.


@pytest.mark.slow
@pytest.mark.parametrize("top_k", [None, 2])
def test_exports_for_graphs_of_any_size(inputs, top_k):
    conv = make_conv(top_k=top_k).eval()
    sites, pairs = torch.export.Dim("sites", min=2), torch.export.Dim("pairs", min=2)
    shapes = ({0: sites}, {1: pairs}, {0: pairs})
    program = torch.export.export(conv, inputs, dynamic_shapes=shapes).module()
    torch.testing.assert_close(program(*inputs), conv(*inputs))
    larger = (torch.randn(9, 8), torch.randint(9, (2, 30)), torch.randn(30, 5))
    torch.testing.assert_close(program(*larger), conv(*larger))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_traces_hold_for_other_graphs(inputs):
    conv = make_conv().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyG's own checks of sizes
        traced = torch.jit.trace(conv, inputs)
    larger = (torch.randn(9, 8), torch.randint(9, (2, 30)), torch.randn(30, 5))
    torch.testing.assert_close(traced(*larger), conv(*larger))
