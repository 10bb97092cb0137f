"""The compiled layer gives what PyTorch's own operations give in double precision."""

import re

import pytest
import torch
from torch import nn

from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import Features, Inputs, Receivers, Terms
from pyg_sitenet.nn.fast.native import compiler
from pyg_sitenet.nn.fast.native import layer as native_layer
from pyg_sitenet.nn.fast.native.layer import NativeLayer
from pyg_sitenet.nn.fast.native.library import load_library

SITES, WIDTH, HEADS = 9, 21, 3


@pytest.fixture(autouse=True)
def _needs_a_compiler():
    if load_library() is None:
        pytest.skip("no C compiler")


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def _threads(request, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(native_layer, "FEWEST_PAIRS", 1)
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


class Case:
    """Inputs of both forms."""

    def __init__(self, pairs, depth=WIDTH, sites="both", shared=False):
        torch.manual_seed(pairs)
        self.index = torch.randint(SITES, (2, pairs)) if sites == "both" else None
        rows = (SITES, WIDTH) if sites == "both" else (WIDTH,)
        self.terms = Terms(
            torch.randn(rows),
            torch.randn(rows) if sites == "both" else None,
            torch.randn(WIDTH, depth) / 4,
        )
        # Runs of 1 to 70 pairs: a kind ends in a tile, and others go beyond one.
        lengths = torch.randint(1, 70, (pairs,)) if shared else torch.ones(pairs)
        kind = torch.arange(pairs).repeat_interleave(lengths.long())[:pairs]
        self.features = Features(
            torch.randn(int(kind.max()) + 1 if pairs else 0, depth),
            kind if shared else None,
        )
        self.pairs = pairs

    def layer(self, form, dtype):
        def cast(t):
            return t if t is None else t.to(dtype)

        features = Features(cast(self.features.rows), self.features.kind)
        self.grad = torch.ones_like(features.rows)  # what is there is added to
        terms, mish = Terms(*map(cast, self.terms)), ACTIVATIONS[nn.Mish]
        return form(Inputs(terms, features, self.index, mish, 1e-5), self.grad)

    def both(self, run):
        """Return results and gradients of both forms, flat."""
        result = []
        for form, dtype in ((NativeLayer, torch.float32), (DeviceLayer, torch.double)):
            layer = self.layer(form, dtype)
            results = run(layer, dtype)
            grads = [g for g in getattr(layer, "grads", ()) if g is not None]
            result.append([*results, *grads, self.grad])
        return zip(*result, strict=True)


CASES = {
    "nothing": (0,),
    "one": (1,),
    "less than a tile": (47,),
    "a tile": (48,),
    "tiles": (500,),
    "deep": (100, 50),
    "kinds": (500, WIDTH, "both", True),
    "no sites": (100, 5, None),
    "kinds without sites": (300, 16, None, True),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request, _threads):
    return Case(*request.param)


def assert_equal(both):
    for actual, expected in both:
        assert actual.shape == expected.shape
        error = (actual - expected).abs().max() if actual.numel() else 0
        assert error <= 3e-6 * max(1, expected.abs().max() if actual.numel() else 0)


def test_logits(case):
    weight, grad = torch.randn(HEADS, WIDTH), torch.randn(case.pairs, HEADS)
    assert_equal(case.both(lambda la, t: [la.logits(weight.to(t))]))
    assert_equal(
        case.both(lambda la, t: [la.logits_backward(weight.to(t), grad.to(t))])
    )


@pytest.mark.parametrize("copied", [False, True])
def test_heads(case, copied):
    row = torch.arange(case.pairs)
    if copied:  # some rows serve several pairs, some none
        row = row[row % 7 != 3].repeat_interleave(2)
    to = Receivers(torch.randint(SITES, row.shape), row if copied else None, SITES)
    alpha, grad = torch.rand(len(row), HEADS), torch.randn(SITES, HEADS, WIDTH)
    assert_equal(case.both(lambda la, t: [la.heads(alpha.to(t), to)]))
    assert_equal(
        case.both(lambda la, t: [la.heads_backward(alpha.to(t), to, grad.to(t))])
    )


@pytest.mark.parametrize("residual", [False, True])
def test_rows(case, residual):
    if residual and case.features.rows.size(1) != WIDTH:
        pytest.skip("features of another width cannot be added")
    weight, shift = torch.randn(2, WIDTH)
    grad = torch.randn(case.pairs, WIDTH)
    options = {"residual": residual}
    assert_equal(
        case.both(lambda la, t: [la.rows(weight.to(t), shift.to(t), **options)])
    )
    assert_equal(
        case.both(lambda la, t: [la.rows_backward(weight.to(t), grad.to(t), **options)])
    )


@pytest.mark.usefixtures("_threads")
def test_sums_have_one_order():
    case, to = Case(5000), Receivers(torch.randint(SITES, (5000,)), None, SITES)
    alpha, grad = torch.rand(5000, HEADS), torch.randn(SITES, HEADS, WIDTH)
    first, *others = [case.layer(NativeLayer, torch.float32) for _ in range(5)]
    expected = first.heads(alpha, to)
    first.heads_backward(alpha, to, grad)
    for layer in others:
        assert torch.equal(layer.heads(alpha, to), expected)
        layer.heads_backward(alpha, to, grad)
        assert all(map(torch.equal, layer.grads, first.grads))


def test_long_sums_keep_their_digits():
    pairs = 200_000
    case = Case(pairs, 5, None)
    grad = torch.rand(pairs, WIDTH) + 1  # all of one sign: sums grow and grow
    weight = torch.randn(WIDTH)
    both = case.both(
        lambda la, t: [la.rows_backward(weight.to(t), grad.to(t), residual=False)]
    )
    for actual, expected in both:
        error = (actual - expected).abs().max() / expected.abs().max()
        assert error <= 2e-6


@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("copied", [False, True])
def test_parts_may_be_empty(copied):
    case = Case(300, WIDTH, "both", shared=True)
    case.features = Features(torch.randn(1, WIDTH), torch.zeros(300).long())  # one kind
    row = torch.arange(4) if copied else None
    number = 4 if copied else 300
    to = Receivers(torch.randint(SITES, (number,)), row, SITES)
    alpha, grad = torch.rand(number, HEADS), torch.randn(SITES, HEADS, WIDTH)
    assert_equal(case.both(lambda la, t: [la.heads(alpha.to(t), to)]))
    assert_equal(
        case.both(lambda la, t: [la.heads_backward(alpha.to(t), to, grad.to(t))])
    )


@pytest.mark.usefixtures("_threads")
def test_features_need_no_gradient():
    case, weight, grad = Case(100), torch.randn(WIDTH), torch.randn(100, WIDTH)

    def run(layer, dtype):
        layer.features_grad = None
        return [layer.rows_backward(weight.to(dtype), grad.to(dtype), residual=True)]

    both = list(case.both(run))
    assert_equal(both)
    assert (both[-1][0] == 1).all()  # as it was


@pytest.mark.usefixtures("_threads")
def test_compilers_without_openmp_serve(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiler, "_OPTIONAL_FLAGS", ((),))
    case, weight, grad = Case(500), torch.randn(HEADS, WIDTH), torch.randn(500, HEADS)
    load_library.cache_clear()
    try:
        both = case.both(lambda la, t: [la.logits_backward(weight.to(t), grad.to(t))])
        assert_equal(both)
        assert list((tmp_path / "pyg_sitenet" / "native").glob("layer-*.so"))
    finally:
        load_library.cache_clear()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ([0, 1, 2, 2], "`kinds.of_pair` must be from 0 to 1, got 0 to 2"),
        ([-1, 0, 1, 1], "`kinds.of_pair` must be from 0 to 1, got -1 to 1"),
        ([0, 1, 0, 1], "`kinds.of_pair` must rise by steps of 0 or 1"),
        ([0, 1, 1], "`edge_index` must have 3 pairs, got 4"),
    ],
)
def test_kinds_that_would_be_read_beyond_the_features_are_refused(kind, message):
    case = Case(4)
    case.features = Features(torch.randn(2, WIDTH), torch.tensor(kind))
    with pytest.raises(IndexError, match=re.escape(message)):
        case.layer(NativeLayer, torch.float32)


def test_copies_in_no_order_are_refused():
    to = Receivers(torch.zeros(3).long(), torch.tensor([1, 0, 2]), 1)
    with pytest.raises(IndexError, match=r"`kinds\.of_pair` must rise"):
        Case(3).layer(NativeLayer, torch.float32).heads(torch.rand(3, HEADS), to)


def test_weights_of_another_precision_are_refused():
    layer = Case(3).layer(NativeLayer, torch.float32)
    with pytest.raises(TypeError, match="`weight` of a layer must be a contiguous"):
        layer.logits(torch.randn(HEADS, WIDTH).double())
