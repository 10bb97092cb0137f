"""The hidden layer in fused operations, against the formula and autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast import device_layer
from pyg_sitenet.nn.fast.activations import ACTIVATIONS
from pyg_sitenet.nn.fast.device_layer import DeviceLayer
from pyg_sitenet.nn.fast.hidden_layer import (
    Affine,
    Features,
    Inputs,
    Receivers,
    Terms,
)
from pyg_sitenet.nn.fast.joined_layer import (
    JoinedLayer,
    bags_of_heads,
    bags_of_sites,
)
from pyg_sitenet.nn.fast.plain_gradients import plain_hidden

SITES, PAIRS, WIDTH, HEADS = 6, 50, 7, 3
EXACT = {"rtol": 1e-12, "atol": 1e-12}
JOINED = {"sites": True, "activation": nn.Mish, "eps": 1e-5, "joined": True}


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_layer, "CPU_CHUNK", 16 * WIDTH)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)


def _draw(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64).requires_grad_()


def _make_inputs(
    *,
    shared: bool,
    sites: bool,
    activation: type[nn.Module],
    eps: float | None,
    joined: bool = False,
) -> Inputs:
    torch.manual_seed(0)
    kind = torch.arange(PAIRS) // 3 if shared else None
    rows = _draw(PAIRS if kind is None else int(kind[-1]) + 1, WIDTH)
    table = (SITES, WIDTH) if sites else (WIDTH,)
    terms = Terms(_draw(*table), _draw(*table) if sites else None, _draw(WIDTH, WIDTH))
    index = torch.randint(SITES, (2, PAIRS)) if sites else None
    options = (Features(rows, kind), index, ACTIVATIONS[activation], eps)
    if joined:
        terms = Terms(_draw(2 * SITES, WIDTH), None, terms.weight)
        affine = Affine() if eps is None else Affine(_draw(WIDTH), _draw(WIDTH))
        return Inputs(terms, *options, affine, bags_of_sites(index))
    return Inputs(terms, *options)


@pytest.fixture(
    params=[
        {"shared": False, "sites": True, "activation": nn.Mish, "eps": 1e-5},
        {"shared": True, "sites": True, "activation": nn.Mish, "eps": 1e-5},
        {"shared": True, "sites": True, "activation": nn.Mish, "eps": None},
        {"shared": False, "sites": False, "activation": nn.Mish, "eps": 1e-5},
        {"shared": True, "sites": False, "activation": nn.SiLU, "eps": 1e-5},
        {"shared": False, "sites": True, "activation": nn.SiLU, "eps": None},
        {"shared": True, "sites": True, "activation": nn.ReLU, "eps": 1e-5},
        {**JOINED, "shared": False},
        {**JOINED, "shared": True},
        {**JOINED, "shared": False, "eps": None},
    ],
    ids=lambda options: " ".join(
        str(getattr(v, "__name__", v)) for v in options.values()
    ),
)
def inputs(request: pytest.FixtureRequest) -> Inputs:
    return _make_inputs(**request.param)


def _make_layer(inputs: Inputs, rows_grad: Tensor | None = None) -> DeviceLayer:
    kind = DeviceLayer if inputs.bags is None else JoinedLayer
    return kind(inputs, rows_grad)


def _check(
    inputs: Inputs,
    own: Tensor,
    run: Callable[[DeviceLayer], Tensor],
    back: Callable[[DeviceLayer, Tensor], Tensor],
    plain: Callable[[Tensor], Tensor],
) -> None:
    """Compare result, gradient of ``own`` and of all inputs with those of ``plain``."""
    expected = plain(plain_hidden(inputs))
    grad = torch.randn_like(expected)
    rows = inputs.features.rows
    parts = [*inputs.terms, *inputs.affine]
    sources = [own, rows, *(part for part in parts if part is not None)]
    expected_grads = torch.autograd.grad(expected, sources, grad)
    with torch.no_grad():
        torch.testing.assert_close(run(_make_layer(inputs)), expected, **EXACT)
        rows_grad = torch.ones_like(rows)  # what is there is added to
        layer = _make_layer(inputs, rows_grad)
        own_grad = back(layer, grad)
    every = [*layer.grads, *layer.affine_grads]
    terms_grads = [g for g in every if g is not None]
    grads = [own_grad, rows_grad - 1, *terms_grads]
    for actual, wanted in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(actual, wanted, **EXACT)


def test_logits(inputs: Inputs) -> None:
    weight, bias = _draw(HEADS, WIDTH), _draw(HEADS)
    _check(
        inputs,
        weight,
        lambda layer: layer.logits(weight, bias),
        lambda layer, grad: layer.logits_backward(weight, grad),
        lambda z: z @ weight.t() + bias,
    )


@pytest.mark.parametrize("copied", [False, True])
def test_heads(inputs: Inputs, copied: bool) -> None:
    copies = torch.arange(PAIRS)
    if copied:  # some pairs serve several times, some never
        copies = copies[copies % 7 != 3].repeat_interleave(2)
    receiver = torch.randint(SITES - 1, copies.shape)
    bags = bags_of_heads(receiver.expand(2, -1), HEADS)
    to = Receivers(receiver, copies if copied else None, SITES, bags)
    alpha = _draw(len(copies), HEADS)

    def plain(z: Tensor) -> Tensor:
        weighted = alpha.unsqueeze(-1) * z[copies].unsqueeze(1)
        return alpha.new_zeros(SITES, HEADS, WIDTH).index_add(0, receiver, weighted)

    _check(
        inputs,
        alpha,
        lambda layer: layer.heads(alpha, to),
        lambda layer, grad: layer.heads_backward(alpha, to, grad),
        plain,
    )


@pytest.mark.parametrize("residual", [False, True])
def test_rows(inputs: Inputs, residual: bool) -> None:
    weight, shift = _draw(WIDTH), _draw(WIDTH)
    inputs = inputs._replace(affine=Affine())  # the rows have their own
    rows, kind = inputs.features
    own = rows if kind is None else rows[kind]
    _check(
        inputs,
        weight,
        lambda layer: layer.rows(weight, shift, residual=residual),
        lambda layer, grad: layer.rows_backward(weight, grad, residual=residual),
        lambda z: z * weight + shift + (own if residual else 0),
    )


def test_features_need_no_gradient() -> None:
    inputs = _make_inputs(shared=True, sites=True, activation=nn.Mish, eps=1e-5)
    weight, grad = torch.randn(2, PAIRS, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        grads = []
        for rows_grad in (None, torch.zeros_like(inputs.features.rows)):
            layer = DeviceLayer(inputs, rows_grad)
            layer.rows_backward(weight[0], grad, residual=True)
            grads.append(layer.grads.weight)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize(
    "activation", ACTIVATIONS.values(), ids=lambda a: a.plain.__name__
)
def test_activations_by_hand_are_those_of_pytorch(activation: object) -> None:
    u = torch.cat([torch.linspace(-30, 30, 101), torch.tensor([-1e4, 1e4])]).double()
    expected = activation.plain(u.requires_grad_())
    grad = torch.rand_like(u)
    (expected_grad,) = torch.autograd.grad(expected, u, grad)
    with torch.no_grad():
        torch.testing.assert_close(activation.forward(u), expected, **EXACT)
        result, pull = activation.with_pull(u.detach().clone())
        torch.testing.assert_close(result, expected, **EXACT)
        torch.testing.assert_close(pull(grad), expected_grad, **EXACT)
