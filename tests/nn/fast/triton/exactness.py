"""Kernels give what PyTorch's own steps give, and their gradients.

Run by ``test_kernels.py``: where ``TRITON_INTERPRET=1`` on the CPU, else on a GPU.
"""

import itertools
import os
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from pyg_sitenet import SiteNet, SiteNetConv, encode_structure
from pyg_sitenet.nn.fast import device_layer, hidden_form
from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.hidden_layer import Features, Inputs, Receivers, Terms
from pyg_sitenet.nn.fast.plain_gradients import plain_hidden
from pyg_sitenet.nn.fast.triton import tiles
from pyg_sitenet.nn.fast.triton.layer import TritonLayer
from pyg_sitenet.transforms import MergeEquivalent

torch.set_num_threads(1)
IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if IS_INTERPRETED else "cuda")
SITES, HEADS, EPS = 5, 3, 1e-5


class Case(NamedTuple):
    """What a layer is made of."""

    purpose: str  # logits, heads or rows
    kinds: str  # none, features or copies
    activation: type
    norm: bool
    width: int
    sites: bool = True
    dtype: torch.dtype = torch.float64

    def __str__(self):
        names = (self.activation.__name__.lower(), "norm" if self.norm else "bare")
        sites = () if self.sites else ("bias",)
        parts = (self.purpose, self.kinds, *names, self.width, *sites)
        return "-".join(map(str, (*parts, str(self.dtype)[6:])))


ALL = [
    Case(*options)
    for options in itertools.product(
        ("logits", "heads", "rows"),
        ("none", "features", "copies"),
        (nn.Mish, nn.SiLU, nn.ReLU),
        (True, False),
        (6, 20, 225),
    )
    if options[0] == "heads" or options[1] != "copies"  # nothing else is copied
]
# All pairs of options that a mistake could confuse, in few cases.
FEW = [
    Case("logits", "features", nn.Mish, True, 225),
    Case("logits", "none", nn.ReLU, False, 20),
    Case("heads", "copies", nn.Mish, True, 6),
    Case("heads", "none", nn.SiLU, True, 225),
    Case("heads", "features", nn.ReLU, False, 20),
    Case("rows", "features", nn.SiLU, False, 6),
    Case("rows", "none", nn.Mish, True, 20),
    Case("rows", "none", nn.Mish, True, 20, sites=False),
]
LOW = [
    FEW[0]._replace(dtype=torch.bfloat16),
    FEW[2]._replace(dtype=torch.float32),
    FEW[6]._replace(dtype=torch.bfloat16),
    FEW[5]._replace(dtype=torch.float16),
]
TOLERANCE = {
    torch.float64: 1e-12 if IS_INTERPRETED else 1e-10, torch.float32: 2e-6,
    torch.float16: 1e-2, torch.bfloat16: 5e-2,
}  # fmt: skip


def ids(cases):
    return {"argvalues": cases, "ids": map(str, cases)}


def tensors_of(case):
    """Return features, kinds, sites, terms and what a purpose takes, in float64."""
    torch.manual_seed(case.width)
    pairs = 2 * tiles.tile_sizes(case.width)["BP"] // 3 + 13
    kind = None
    if case.kinds == "features":
        kind = torch.randint(2, (pairs,)).index_fill_(0, torch.tensor([0]), 0).cumsum(0)
    rows = torch.randn(pairs if kind is None else int(kind[-1]) + 1, case.width)
    shape = (SITES, case.width) if case.sites else (case.width,)
    terms = torch.randn(shape), torch.randn(shape) if case.sites else None
    weight = torch.randn(case.width, case.width) / case.width**0.5
    index = torch.randint(SITES, (2, pairs)) if case.sites else None
    return Features(rows, kind), Terms(*terms, weight), index


def cast(parts, dtype):
    return [None if p is None else p.to(DEVICE, dtype, copy=True) for p in parts]


def plain(case, inputs, weights, to):
    """Return the result by PyTorch's own steps."""
    z = plain_hidden(inputs)
    if case.purpose == "logits":
        return z @ weights[0].t()
    if case.purpose == "rows":
        rows, kind = inputs.features
        return z * weights[0] + weights[1] + (rows if kind is None else rows[kind])
    z = z if to.row is None else z[to.row]
    weighted = weights[0].unsqueeze(-1) * z.unsqueeze(1)
    return z.new_zeros(SITES, HEADS, case.width).index_add(0, to.of_pair, weighted)


def by_hand(case, inputs, weights, to, grad):
    """Return the result of the kernels, and the gradients."""
    rows = inputs.features.rows
    sums = torch.zeros_like(rows, dtype=torch.promote_types(rows.dtype, torch.float32))
    first, layer = TritonLayer(inputs), TritonLayer(inputs, sums)
    if case.purpose == "logits":
        out = first.logits(weights[0])
        grads = [layer.logits_backward(weights[0], grad)]
    elif case.purpose == "rows":
        out = first.rows(*weights, residual=True)
        grads = [layer.rows_backward(weights[0], grad, residual=True), grad.sum(0)]
    else:
        out = first.heads(weights[0], to)
        grads = [layer.heads_backward(weights[0], to, grad)]
    return out, [sums, *(g for g in layer.grads if g is not None), *grads]


def make_inputs(case, dtype):
    features, terms, index = tensors_of(case)
    (rows,) = cast([features.rows], dtype)
    activation = ACTIVATIONS[case.activation]
    eps = EPS if case.norm else None
    terms = Terms(*cast(terms, dtype))
    kind, index = (None if p is None else p.to(DEVICE) for p in (features.kind, index))
    return Inputs(terms, Features(rows, kind), index, activation, eps)


def check(case):
    inputs = make_inputs(case, torch.float64)
    pairs = inputs.features.num_pairs
    row = None
    if case.kinds == "copies":  # some serve several pairs, some none
        row = torch.arange(pairs)
        row = row[row % 7 != 3].repeat_interleave(2)
    number = pairs if row is None else len(row)
    row = None if row is None else row.to(DEVICE)
    to = Receivers(torch.randint(SITES, (number,)).to(DEVICE), row, SITES)
    shapes = {
        "logits": [(HEADS, case.width)], "rows": [(case.width,)] * 2,
        "heads": [(number, HEADS)],
    }  # fmt: skip
    weights = cast([torch.randn(s) for s in shapes[case.purpose]], torch.float64)
    sources = [inputs.features.rows, *inputs.terms, *weights]
    sources = [s.requires_grad_() for s in sources if s is not None]
    expected = plain(case, inputs, weights, to)
    grad = torch.randn_like(expected)
    expected_grads = torch.autograd.grad(expected, sources, grad)
    exact = torch.promote_types(case.dtype, torch.float32)
    with torch.no_grad():
        inputs = make_inputs(case, case.dtype)
        out, grads = by_hand(case, inputs, cast(weights, exact), to, grad.to(exact))
    for ours, theirs in zip((out, *grads), (expected, *expected_grads), strict=True):
        assert ours.shape == theirs.shape
        error = (ours - theirs).norm() / theirs.norm()
        assert error <= TOLERANCE[case.dtype]


@pytest.fixture(autouse=True)
def _two_chunks(request, monkeypatch):
    """Of which the second is no whole number of tiles."""
    if "case" in request.fixturenames:
        width = request.getfixturevalue("case").width
        most = tiles.tile_sizes(width)["BP"] // 2 + 9
        monkeypatch.setattr(device_layer, "CPU_CHUNK", width * most)
        monkeypatch.setattr(device_layer, "DEVICE_BYTES", 4 * width * most)


@pytest.mark.parametrize("case", **ids(FEW + LOW))
def test_kernels_are_the_plain_form(case):
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", **ids([case for case in ALL if case not in FEW]))
def test_every_combination_is_the_plain_form(case):
    check(case)


def test_site_that_is_not_there_gives_nan_and_touches_nothing():
    case = Case("logits", "none", nn.Mish, True, 6)
    inputs = make_inputs(case, torch.float64)
    inputs.edge_index[0, 3], inputs.edge_index[1, 4] = SITES, -1
    layer, (weight,) = TritonLayer(inputs), cast([torch.randn(HEADS, 6)], torch.float64)
    logits = layer.logits(weight)
    assert logits.isnan().any(1).nonzero().flatten().tolist() == [3, 4]
    grad = torch.ones_like(logits)
    grad[3:5] = 0
    layer.logits_backward(weight, grad)


@pytest.fixture
def large_tiles(monkeypatch):
    """The interpreter takes long for each program, however large it is."""
    if IS_INTERPRETED:
        monkeypatch.setattr(tiles, "TILE", 2**16)


def run_network(model, batch):
    output = model.raw_output(batch)
    grads = torch.autograd.grad(output.square().sum(), list(model.parameters()))
    return output, torch.cat([grad.flatten() for grad in grads])


@pytest.fixture(params=["paper", "default"])
def network(request, rutile, cscl):
    """Of two crystals, with pairs that are equal and pairs that are not."""
    torch.manual_seed(0)
    model = SiteNet.from_preset(request.param).eval()
    options = {"environment": "sphere"} if request.param == "default" else {}
    graphs = [
        MergeEquivalent()(encode_structure(crystal, max_atoms=14, **options))
        for crystal in (rutile, cscl)
    ]
    return model.to(DEVICE), Batch.from_data_list(graphs).to(DEVICE)


@pytest.mark.usefixtures("large_tiles")
def test_networks_equal_message_passing(network):
    model, batch = network[0].double(), network[1]
    batch.x, batch.edge_attr = batch.x.double(), batch.edge_attr.double()
    actual = run_network(model, batch)
    model.fused = False
    for ours, theirs in zip(actual, run_network(model, batch), strict=True):
        assert (ours - theirs).norm() <= 1e-12 * theirs.norm()


@pytest.mark.parametrize("chunk", [device_layer.CPU_CHUNK, 64])
def test_pairs_of_any_number_can_be_gone_back_over_twice(chunk, monkeypatch):
    monkeypatch.setattr(device_layer, "CPU_CHUNK", chunk)
    monkeypatch.setattr(device_layer, "DEVICE_BYTES", 8 * chunk)
    torch.manual_seed(0)
    conv = SiteNetConv(8, 6, 5, heads=2, attention_hidden=(16,)).double().to(DEVICE)
    x, edge_attr = (torch.randn(n, 8 if n == 3 else 5).double() for n in (3, 12))
    index = torch.randint(3, (2, 12)).to(DEVICE)
    sources = [*cast([x, edge_attr], torch.float64), *conv.parameters()]
    sources = [source.requires_grad_() for source in sources]
    out = conv(sources[0], index, sources[1])
    conv.fused = False
    expected = conv(sources[0], index, sources[1])
    torch.testing.assert_close(out, expected)
    wanted = torch.autograd.grad(expected.square().sum(), sources)
    for _ in range(2):  # the first time uses up what was kept
        grads = torch.autograd.grad(out.square().sum(), sources, retain_graph=True)
        torch.testing.assert_close(grads, wanted)


@pytest.mark.slow
@pytest.mark.usefixtures("large_tiles")
def test_half_precision_takes_the_kernels(network, monkeypatch):
    model, batch = network
    expected = run_network(model, batch)
    layers = []

    class Watched(TritonLayer):
        def __init__(self, inputs, features_grad=None):
            layers.append(inputs.features.rows.dtype)
            super().__init__(inputs, features_grad)

    monkeypatch.setattr("pyg_sitenet.nn.fast.triton.layer.TritonLayer", Watched)
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        output = model.raw_output(batch)
    grads = torch.autograd.grad(output.square().sum(), list(model.parameters()))
    actual = output, torch.cat([grad.flatten() for grad in grads])
    assert set(layers) == {torch.bfloat16}
    for ours, theirs in zip(actual, expected, strict=True):
        assert (ours - theirs).norm() <= 0.05 * theirs.norm()


def test_sums_in_one_order_are_left_to_pytorch():
    inputs = make_inputs(Case("rows", "none", nn.Mish, True, 6), torch.float64)
    assert type(hidden_form.make_hidden_layer(inputs)) is TritonLayer
    torch.use_deterministic_algorithms(True)
    try:
        layer = hidden_form.make_hidden_layer(inputs)
    finally:
        torch.use_deterministic_algorithms(False)
    assert type(layer) is device_layer.DeviceLayer
