"""What SiteNetConv refuses: shapes, sizes and numbers that do not fit."""

import pytest
import torch
from torch_geometric.utils import to_torch_coo_tensor, to_torch_csr_tensor

from pyg_sitenet.nn import SiteNetConv

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 0], [0, 0, 0, 1, 1, 2, 2, 3]])
X, ONES = torch.linspace(-1, 1, 32).view(4, 8), torch.ones(8)
EDGE_ATTR = torch.linspace(-2, 2, 24).view(8, 3)


@pytest.mark.parametrize("width", [1, 2, 4, 64])
def test_open_sizes_stay_those_of_the_first_inputs(width):
    conv = SiteNetConv(8, 4, edge_dim=-1)
    conv(X, EDGE_INDEX, EDGE_ATTR)
    with pytest.raises(ValueError, match=r"`edge_attr` must have 3 columns, as the "):
        conv(X, EDGE_INDEX, torch.ones(8, width))
    conv = SiteNetConv(-1, 4)
    conv(X, EDGE_INDEX)
    with pytest.raises(ValueError, match=r"`x` must have 8 columns, .*got \[4, 5\]"):
        conv(X[:, :5], EDGE_INDEX)


def test_pairs_that_come_later_leave_trained_weights_alone():
    conv = SiteNetConv(8, 4, edge_dim=-1)
    before = conv(X, EDGE_INDEX)
    conv(X, EDGE_INDEX, EDGE_ATTR)
    torch.testing.assert_close(conv(X, EDGE_INDEX, 0 * EDGE_ATTR), before)
    drawn = conv.value.pair.weight.abs().max()
    assert 0.5 * (8 + 8 + 3) ** -0.5 < drawn <= (8 + 8 + 3) ** -0.5


@pytest.fixture
def sparse_checks():
    """Torch asks to be told whether it shall check sparse tensors."""
    with torch.sparse.check_sparse_tensor_invariants(enable=True):
        yield


@pytest.mark.usefixtures("sparse_checks")
def test_values_of_an_adjacency_are_checked():
    size = (4, 4)
    numbers = to_torch_csr_tensor(EDGE_INDEX.flip(0), ONES, size=size)
    vectors = to_torch_coo_tensor(EDGE_INDEX.flip(0), EDGE_ATTR, size=size)
    order = (EDGE_INDEX[1] * 4 + EDGE_INDEX[0]).argsort()
    conv = SiteNetConv(8, 4, edge_dim=3)
    expected = conv(X, EDGE_INDEX[:, order], EDGE_ATTR[order])
    torch.testing.assert_close(conv(X, vectors), expected)
    with pytest.raises(ValueError, match=r"`edge_attr` must have shape \[8, 3\]"):
        conv(X, numbers)
    with pytest.raises(ValueError, match=r"`edge_attr` needs a layer with `edge_dim`"):
        SiteNetConv(8, 4)(X, vectors)
    for name in ("edge_weight", "edge_multiplicity"):
        with pytest.raises(ValueError, match=rf"`{name}` must have shape \[8\]"):
            conv(X, vectors, **{name: torch.ones(1)})
    SiteNetConv(8, 4)(X, numbers)  # ones of an adjacency without features


@pytest.mark.parametrize("name", ["edge_weight", "edge_multiplicity"])
def test_values_of_pairs_are_one_dimensional_and_not_negative(name):
    conv = SiteNetConv(8, 4, edge_dim=3)
    with pytest.raises(ValueError, match=rf"`{name}` must be at least 0, got -1"):
        conv(X, EDGE_INDEX, EDGE_ATTR, **{name: -ONES})

    def of_crystal(values: torch.Tensor) -> torch.Tensor:
        return conv(X, EDGE_INDEX, EDGE_ATTR, **{name: values})

    expected = of_crystal(2 * ONES)
    both = torch.func.vmap(of_crystal)(torch.stack([ONES, 2 * ONES]))
    torch.testing.assert_close(both[1], expected)
    with pytest.raises(ValueError, match=rf"`{name}` must have shape \[num_edges\]"):
        torch.func.vmap(of_crystal)(torch.ones(2, 8, 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 1.5}, "`top_k` must be a whole number, got 1.5"),
        ({"top_k": float("nan")}, "`top_k` must be a whole number"),
        ({"heads": 2.0}, "`heads` must be a whole number, got 2.0"),
        ({"attention_hidden": (0,)}, "`attention_hidden` must be at least 1, got 0"),
        ({"attention_hidden": 225}, r"`attention_hidden` must be widths such as"),
        ({"in_channels": (8, 8, 3)}, r"`in_channels` must be one size, or those of"),
        ({"in_channels": "8"}, r"`in_channels` must be one size, or those of"),
        ({"activation": "swish"}, "`activation` must be a module, its class or"),
        ({"activation": torch.relu}, "`activation` must be a module, its class or"),
        ({"activation": None}, "`activation` must be a module, its class or"),
        ({"norm": "graph_size"}, "`norm` must be 'layer', 'batch', 'none' or"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SiteNetConv(**{"in_channels": 8, "out_channels": 4, **options})


def test_arrays_are_no_tensors():
    conv = SiteNetConv(8, 4)
    for x in (X.numpy(), (X, X.numpy())):
        with pytest.raises(TypeError, match=r"`x` must be a tensor, .*got ndarray"):
            conv(x, EDGE_INDEX)
    with pytest.raises(TypeError, match=r"`edge_index` must be a tensor, .*got list"):
        conv(X, EDGE_INDEX.tolist())
