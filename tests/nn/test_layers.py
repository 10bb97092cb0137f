"""The building blocks against the formulas in their docstrings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pyg_sitenet.nn.layers import (
    Layer,
    make_activation,
    make_mlp,
    make_norm,
    require_positive,
    reset_layers,
)
from pyg_sitenet.nn.pairs.pair_linear import PairLayer, PairLinear


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mish", math.tanh(math.log1p(math.e))),
        ("relu", 1.0),
        ("silu", 1 / (1 + math.exp(-1))),
    ],
)
def test_activations_at_one(name: str, expected: float) -> None:
    assert make_activation(name)(torch.ones(1)).item() == pytest.approx(expected)


def test_layer_norm_has_mean_0_and_variance_1() -> None:
    out = make_norm("layer", 4)(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    expected = torch.tensor([[-3.0, -1.0, 1.0, 3.0]]) / math.sqrt(5)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)


def test_groups_are_normalised_alone() -> None:
    out = make_norm("layer", 4, groups=2)(torch.tensor([[1.0, 3.0, 10.0, 50.0]]))
    expected = torch.tensor([[-1.0, 1.0, -1.0, 1.0]])
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


def test_kinds_of_norm() -> None:
    assert isinstance(make_norm("batch", 4), nn.BatchNorm1d)
    assert isinstance(make_norm("none", 4), nn.Identity)


def test_layer_is_norm_of_activation_of_linear() -> None:
    layer = Layer(2, 2, norm="none", activation="relu")
    linear = layer[0]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 0.0]]))
        linear.bias.copy_(torch.tensor([0.5, 0.0]))
    assert layer(torch.tensor([[1.0, 1.0]])).tolist() == [[3.5, 0.0]]
    assert isinstance(Layer(2, 2, dropout=0.1)[-1], nn.Dropout)


def test_mlp_has_a_layer_of_each_width() -> None:
    mlp = make_mlp(3, [5, 7])
    linears = [part for part in mlp.modules() if isinstance(part, nn.Linear)]
    assert [(part.in_features, part.out_features) for part in linears] == [
        (3, 5),
        (5, 7),
    ]
    x = torch.randn(2, 3)
    assert torch.equal(make_mlp(3, [])(x), x)


def _joined(layer: PairLinear, parts: tuple[Tensor, ...]) -> Tensor:
    weight = torch.cat([part.weight for part in layer.parts()], dim=1)
    joined = torch.cat(parts, dim=1)
    return nn.functional.linear(joined, weight, layer.receiver.bias)


@pytest.fixture
def parts() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(6, size, generator=generator, dtype=torch.float64)
        for size in (3, 4, 2)
    )


def test_pair_linear_is_the_linear_map_of_the_joined_vectors(
    parts: tuple[Tensor, ...],
) -> None:
    layer = PairLinear((3, 4, 2), 5).double()
    x_i, x_j, edge_attr = parts
    sender, receiver = layer.project((x_j, x_i))
    out = layer(receiver, sender, edge_attr)
    torch.testing.assert_close(out, _joined(layer, parts))


def test_pair_layer_activates_and_normalises_it(parts: tuple[Tensor, ...]) -> None:
    layer = PairLayer((3, 4, 2), 6, groups=2).double()
    x_i, x_j, edge_attr = parts
    sender, receiver = layer.project((x_j, x_i))
    joined = nn.functional.mish(_joined(layer, parts)).view(6, 2, 3)
    centred = joined - joined.mean(2, keepdim=True)
    variance = joined.var(2, unbiased=False, keepdim=True)
    expected = (centred / (variance + 1e-5).sqrt()).flatten(1)
    torch.testing.assert_close(layer(receiver, sender, edge_attr), expected)


def test_reset_draws_all_parameters_anew() -> None:
    module = nn.Sequential(make_mlp(3, [5, 7], norm="none"))
    before = [weight.clone() for weight in module.parameters()]
    reset_layers(module)
    after = list(module.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_activation("sharp"), "`activation` must be .*got 'sharp'"),
        (lambda: make_norm("rough", 4), "`norm` must be 'layer', .* got 'rough'"),
        (lambda: require_positive(heads=1, top_k=0), "`top_k` must be at least 1, got"),
    ],
)
def test_impossible_options_are_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
