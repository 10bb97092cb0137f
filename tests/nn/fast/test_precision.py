"""Under autocast the fast path multiplies in half precision, and adds up in single."""

import pytest
import torch

from pyg_sitenet import SiteNetConv
from pyg_sitenet.nn.fast import hidden_form
from pyg_sitenet.nn.fast.fused_conv import can_fuse
from pyg_sitenet.nn.fast.fused_layer import fused_layer
from pyg_sitenet.nn.fast.native.library import load_library
from pyg_sitenet.nn.layers import Layer

SITES, PAIRS = 5, 40


@pytest.fixture(params=["compiled layer", "PyTorch alone", "one table"])
def is_compiled(request, monkeypatch):
    compiled = request.param == "compiled layer"
    monkeypatch.setenv("PYG_SITENET_NATIVE", str(int(compiled)))
    if request.param == "one table":  # as on a GPU
        monkeypatch.setattr(hidden_form, "WITHOUT_BAGS", ())
    load_library.cache_clear()
    if compiled and load_library() is None:
        pytest.skip("no C compiler")
    yield compiled
    load_library.cache_clear()


def make_case(dtype=torch.float32):
    torch.manual_seed(0)
    conv = SiteNetConv(8, 8, 16, heads=3, attention_hidden=(32,), update_edges=True,
                       residual=True, locality=(1.0, 4.0))  # fmt: skip
    index = torch.randint(SITES, (2, PAIRS))
    x, edge_attr = torch.randn(SITES, 8), torch.randn(PAIRS, 16)
    inputs = [x.to(dtype).requires_grad_(), edge_attr.to(dtype).requires_grad_()]
    return conv.to(dtype), index, inputs, torch.rand(PAIRS).to(dtype) * 5


def run(conv, index, inputs, lengths):
    x, edge_attr = inputs
    return conv(x, index, edge_attr, edge_length=lengths)


def results(case, half=None, backward_in_autocast=False):
    sources = [*case[2], *case[0].parameters()]
    with torch.autocast("cpu", dtype=half, enabled=half is not None):
        out = run(*case)
        if backward_in_autocast:
            return out, torch.autograd.grad(sum(o.float().sum() for o in out), sources)
    total = sum(o.double().sum() for o in out)
    return out, torch.autograd.grad(total, sources)


def error(actual, expected):
    actual, expected = (torch.cat([t.double().flatten() for t in tensors])
                        for tensors in (actual, expected))  # fmt: skip
    return ((actual - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_results_are_those_of_double_precision(half, is_compiled):
    expected = results(make_case(torch.float64))
    case = make_case()
    actual = results(case, half)
    assert error(actual[0], expected[0]) < 0.01
    assert error(actual[1], expected[1]) < 0.03
    assert {grad.dtype for grad in actual[1]} == {torch.float32}
    # Pairs are kept in half precision, unless the compiled layer serves.
    assert actual[0][1].dtype == (torch.float32 if is_compiled else half)


@pytest.mark.usefixtures("is_compiled")
def test_half_precision_keeps_the_fast_path():
    conv, index, (x, edge_attr), _ = make_case()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for features in (edge_attr, edge_attr.bfloat16()):
            assert can_fuse(conv, (x, x), index, features, None)
        assert not can_fuse(conv, (x, x), index, edge_attr.half(), None)
    assert not can_fuse(conv, (x, x), index, edge_attr.bfloat16(), None)


@pytest.mark.usefixtures("is_compiled")
def test_backward_pass_may_run_under_autocast():
    case = make_case()
    _, outside = results(case, torch.bfloat16)
    _, inside = results(case, torch.bfloat16, backward_in_autocast=True)
    assert error(inside, outside) < 0.01


@pytest.mark.usefixtures("is_compiled")
def test_gradients_have_gradients():
    conv, index, inputs, lengths = make_case()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = run(conv, index, inputs, lengths)
    (slope,) = torch.autograd.grad(
        sum(o.float().square().sum() for o in out), inputs[:1], create_graph=True
    )
    (second,) = torch.autograd.grad(slope.sum(), inputs[:1])
    assert second.isfinite().all()
    assert second.abs().max() > 0


@pytest.mark.usefixtures("is_compiled")
def test_double_precision_stays():
    layer, features = Layer(3, 5).double(), torch.randn(7, 3).double()
    expected = fused_layer(layer, features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fused_layer(layer, features), expected)
