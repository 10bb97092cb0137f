"""The fused path gives what message passing and the dense reference give."""

import copy
import importlib.util
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch

from pyg_sitenet import SiteNet, SiteNetConv, encode_structure
from pyg_sitenet.config import ModelConfig
from pyg_sitenet.nn.fast import device_layer, hidden_form
from pyg_sitenet.nn.fast.fused_conv import can_fuse
from pyg_sitenet.nn.fast.fused_layer import fused_layer
from pyg_sitenet.nn.fast.native import layer as native_layer
from pyg_sitenet.nn.fast.native.library import load_library
from pyg_sitenet.nn.layers import Layer
from pyg_sitenet.transforms import MergeEquivalent

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# Receiver 3 has one pair, receiver 4 none; the pairs are in no order.
EDGE_INDEX = torch.tensor(
    [[2, 0, 1, 4, 3, 0, 1, 2, 0, 0, 4, 1], [0, 1, 0, 2, 0, 1, 2, 2, 3, 2, 1, 0]]
)
CRYSTALS = ["nacl", "silicon", "rutile", "quartz", "vo2_m1", "triclinic"]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Few pairs a chunk and a thread, so that receivers are cut in two."""
    monkeypatch.setattr(device_layer, "CPU_CHUNK", 64)
    monkeypatch.setattr(native_layer, "FEWEST_PAIRS", 4)


@pytest.fixture(scope="module")
def dense_forward():
    spec = importlib.util.spec_from_file_location(
        "dense_reference", BENCHMARKS / "dense_reference.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dense_forward


def make_conv(dtype=torch.float64, **options):
    torch.manual_seed(5)
    options = {"update_edges": True, **options}
    conv = SiteNetConv(8, 6, 5, heads=3, attention_hidden=(16,), **options)
    with torch.no_grad():  # norms that are not the identity
        for parameter in conv.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return conv.to(dtype)


def make_inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 8, generator=generator, dtype=torch.float64).to(dtype)
    edge_attr = torch.randn(12, 5, generator=generator, dtype=torch.float64).to(dtype)
    return x.requires_grad_(), edge_attr.requires_grad_()


def outputs_and_gradients(conv, x, edge_attr, multiplicity, *, fused):
    """Return new sites, pairs and weights, and the gradients of everything."""
    conv.fused = fused
    result, (_, alpha) = conv(
        x,
        EDGE_INDEX,
        edge_attr,
        edge_multiplicity=multiplicity,
        return_attention_weights=True,
    )
    outputs = [*(result if conv.update_edges else (result,)), alpha]
    generator = torch.Generator().manual_seed(2)
    loss = sum(
        (out * torch.randn(out.shape, generator=generator).to(out)).sum()
        for out in outputs
    )
    inputs = [x, edge_attr, *conv.parameters()]
    if multiplicity is not None and multiplicity.requires_grad:
        inputs.append(multiplicity)
    return [*outputs, *torch.autograd.grad(loss, inputs)]


def assert_all_close(actual, expected, tolerance):
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(
            ours.double(), theirs.double(), rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize("activation", ["mish", "silu", "relu"])
@pytest.mark.parametrize("norm", ["layer", "none"])
@pytest.mark.parametrize("update_edges", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_equals_message_passing(activation, norm, update_edges, residual):
    conv = make_conv(
        activation=activation, norm=norm, update_edges=update_edges, residual=residual
    )
    inputs = (*make_inputs(), None)
    expected = outputs_and_gradients(conv, *inputs, fused=False)
    actual = outputs_and_gradients(conv, *inputs, fused=True)
    assert_all_close(actual, expected, 1e-12)


def test_threads_may_change_before_the_backward_pass():
    conv, (x, edge_attr), threads = make_conv(), make_inputs(), torch.get_num_threads()
    expected = torch.autograd.grad(conv(x, EDGE_INDEX, edge_attr)[0].sum(), x)[0]
    out = conv(x, EDGE_INDEX, edge_attr)[0].sum()
    try:
        torch.set_num_threads(3)
        torch.testing.assert_close(torch.autograd.grad(out, x)[0], expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "multiplicity",
    [torch.arange(1, 13), torch.linspace(0.5, 6, 12).double().requires_grad_()],
)
def test_multiplicities_count_as_in_message_passing(multiplicity):
    conv, inputs = make_conv(), (*make_inputs(), multiplicity)
    expected = outputs_and_gradients(conv, *inputs, fused=False)
    actual = outputs_and_gradients(conv, *inputs, fused=True)
    assert_all_close(actual, expected, 1e-12)


@pytest.fixture(params=[True, False], ids=["compiled", "eager"])
def compiled(request, monkeypatch):
    """Float32 with the compiled layer, if this machine can make them, and without."""
    if not request.param:
        monkeypatch.setattr(hidden_form, "is_native", lambda *_: False)
    elif load_library() is None:
        pytest.skip("no C compiler")


@pytest.mark.usefixtures("compiled")
def test_single_precision_is_as_exact_as_it_can_be():
    single = torch.float32
    x, edge_attr = make_inputs(single)
    actual = outputs_and_gradients(make_conv(single), x, edge_attr, None, fused=True)
    inputs = (x.double(), edge_attr.double(), None)
    expected = outputs_and_gradients(make_conv(), *inputs, fused=False)
    assert_all_close(actual, expected, 1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e7])
@pytest.mark.parametrize("activation", ["mish", "silu", "relu"])
@pytest.mark.parametrize("norm", ["layer", "none"])
@pytest.mark.usefixtures("compiled")
def test_activations_hold_for_small_and_large_numbers(scale, activation, norm):
    torch.manual_seed(0)
    layer = Layer(3, 4, norm=norm, activation=activation)
    features = (scale * torch.randn(50, 3)).requires_grad_()
    weights = torch.randn(50, 4)
    exact = copy.deepcopy(layer).double()(features.double())
    (exact_grad,) = torch.autograd.grad((weights * exact).sum(), features)
    actual = fused_layer(layer, features)
    (actual_grad,) = torch.autograd.grad((weights * actual).sum(), features)
    torch.testing.assert_close(actual, exact.float(), rtol=1e-5, atol=1e-5)
    atol = 1e-5 * exact_grad.abs().max().item()
    torch.testing.assert_close(actual_grad, exact_grad, rtol=1e-5, atol=atol)


@pytest.mark.usefixtures("compiled")
def test_numbers_that_are_none_stay_so():
    conv, (x, edge_attr) = make_conv(torch.float32), make_inputs(torch.float32)
    edge_attr = edge_attr.detach().clone()
    edge_attr[0, 0] = torch.nan
    sites, edges = conv(x, EDGE_INDEX, edge_attr)
    assert sites[0].isnan().all()  # the receiver of that pair
    assert edges[0].isnan().all()
    assert not edges[1:].isnan().any()


@pytest.mark.usefixtures("compiled")
def test_gradients_that_are_none_stay_where_they_are():
    layer, features = Layer(3, 5), torch.randn(12, 3)
    features[2, 0] = torch.nan
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(fused_layer(layer, features).sum(), features)
    assert gradient.isnan().any(dim=1).nonzero().flatten().tolist() == [2]


@pytest.mark.usefixtures("compiled")
def test_pairs_may_lie_in_memory_in_any_way():
    conv, (x, edge_attr) = make_conv(torch.float32), make_inputs(torch.float32)
    expected = conv(x, EDGE_INDEX, edge_attr)
    strided = EDGE_INDEX.t().contiguous().t()
    assert_all_close(conv(x, strided, edge_attr.t().contiguous().t()), expected, 1e-6)


@pytest.mark.usefixtures("compiled")
def test_threads_do_not_change_the_result():
    conv, inputs = make_conv(torch.float32), (*make_inputs(torch.float32), None)
    expected = outputs_and_gradients(conv, *inputs, fused=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        actual = outputs_and_gradients(conv, *inputs, fused=True)
    finally:
        torch.set_num_threads(threads)
    # Chunks differ, and with them the order of sums: to rounding of the largest number.
    for ours, theirs in zip(actual, expected, strict=True):
        error = (ours - theirs).abs().max().item()
        assert error <= 1e-6 * max(1.0, theirs.abs().max().item())


def test_gradients_are_those_of_finite_differences():
    conv, (x, edge_attr) = make_conv(), make_inputs()

    def run(x, edge_attr, *_):
        (sites, edges), (_, alpha) = conv(
            x, EDGE_INDEX, edge_attr, return_attention_weights=True
        )
        return sites, edges, alpha

    sources = (x, edge_attr, *conv.parameters())
    assert torch.autograd.gradcheck(run, sources, fast_mode=True)


def test_senders_and_receivers_may_differ():
    torch.manual_seed(0)
    conv = SiteNetConv(
        (4, 8), 6, 5, heads=2, attention_hidden=(16,), update_edges=True
    ).double()
    x = (torch.randn(5, 4).double(), torch.randn(7, 8).double())
    edge_attr = torch.randn(12, 5).double()
    fused = conv(x, EDGE_INDEX, edge_attr)
    conv.fused = False
    assert_all_close(fused, conv(x, EDGE_INDEX, edge_attr), 1e-12)


def test_works_without_any_pair():
    conv, (x, edge_attr) = make_conv(), make_inputs()
    sites, edges = conv(x, EDGE_INDEX[:, :0], edge_attr[:0])
    (sites.sum() + edges.sum()).backward()
    assert edges.shape == (0, 5)
    torch.testing.assert_close(sites[0], sites[1])


@pytest.mark.parametrize("shift", [1, -1])
@pytest.mark.usefixtures("compiled")
def test_senders_beyond_the_sites_are_refused(shift):
    conv, (x, edge_attr) = make_conv(torch.float32), make_inputs(torch.float32)
    with pytest.raises((IndexError, RuntimeError), match="out of range"):
        conv(x, EDGE_INDEX + shift, edge_attr)


def test_saves_no_hidden_vectors():
    conv = SiteNetConv(8, 6, 5, heads=3, update_edges=True).double()
    x, edge_attr = torch.randn(4, 8).double(), torch.randn(1000, 5).double()
    edge_index = torch.randint(4, (2, 1000))
    results = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: results.setdefault(t.untyped_storage().data_ptr(), t), lambda t: t
    ):
        conv(x, edge_index, edge_attr)
    numbers = sum(
        t.numel() for t in results.values() if t.size(0) == 1000 or 1000 in t.shape
    )
    assert numbers <= 1000 * (5 + 2 + 3)  # inputs, index, attention weights


@pytest.mark.parametrize("crystal", CRYSTALS)
@pytest.mark.parametrize("residual", [False, True])
def test_model_equals_the_dense_reference(request, dense_forward, crystal, residual):
    torch.manual_seed(0)
    config = ModelConfig(attention_hidden=(20,), residual=residual)
    model = SiteNet(config, num_targets=2).double()
    structures = [request.getfixturevalue(name) for name in (crystal, "cscl")]
    batch = Batch.from_data_list(
        [encode_structure(s, max_atoms=40, dtype=torch.float64) for s in structures]
    )
    merged = Batch.from_data_list(
        [MergeEquivalent()(data) for data in batch.to_data_list()]
    )
    weights = torch.randn(2, 2, dtype=torch.float64)
    expected = dense_forward(model, batch)
    expected_grads = torch.autograd.grad((weights * expected).sum(), model.parameters())
    for data in (batch, merged):
        actual = model.raw_output(data)
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
        grads = torch.autograd.grad((weights * actual).sum(), model.parameters())
        scale = max(g.abs().max().item() for g in expected_grads)
        for ours, theirs in zip(grads, expected_grads, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * scale)


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 2},
        {"norm": "batch"},
        {"share_value_network": False},
        {"attention_hidden": ()},
        {"attention_hidden": (8, 8)},
        {"flow": "target_to_source"},
        {"aggr": "mean"},
    ],
)
def test_other_options_take_message_passing(options):
    options = {"attention_hidden": (16,), **options}
    conv, (x, edge_attr) = SiteNetConv(8, 6, 5, 3, **options).double(), make_inputs()
    assert not can_fuse(conv, (x, x), EDGE_INDEX, edge_attr, None)
    assert can_fuse(make_conv(), (x, x), EDGE_INDEX, edge_attr, None)


def test_whoever_looks_inside_gets_message_passing():
    conv, (x, edge_attr) = make_conv(), make_inputs()
    inputs = ((x, x), EDGE_INDEX, edge_attr, None)
    handles = [
        conv.register_message_forward_hook(lambda *_: None),
        conv.value.register_forward_hook(lambda *_: None),
    ]
    for handle in handles:
        assert not can_fuse(conv, *inputs)
        handle.remove()
    assert can_fuse(conv, *inputs)
    conv.explain = True
    assert not can_fuse(conv, *inputs)


def test_subclasses_keep_their_own_messages():
    class Silent(SiteNetConv):
        def message(self, value_to_i, value_from_j, edge_attr, alpha):
            return 0 * super().message(value_to_i, value_from_j, edge_attr, alpha)

    torch.manual_seed(0)
    conv, (x, edge_attr) = Silent(8, 6, 5, 3).double(), make_inputs()
    sites = conv(x, EDGE_INDEX, edge_attr)
    torch.testing.assert_close(sites[0], sites[1])
