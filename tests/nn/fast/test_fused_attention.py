"""Attention without stored hidden vectors, against loops over receivers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pyg_sitenet.nn.fast.fused_attention import distinct_pairs, fused_attention
from pyg_sitenet.nn.pairs.kinds import Kinds
from pyg_sitenet.nn.pairs.pair_linear import PairLayer

SITES, PAIRS, HEADS, C = 5, 60, 2, 4


pytestmark = pytest.mark.usefixtures("tables")


class Case:
    """Layers and a graph in double precision; site 4 receives nothing."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.attention = PairLayer((3, 3, 2), 8).double()
        self.logits = nn.Linear(8, HEADS).double()
        self.value = PairLayer((3, 3, 2), C).double()
        for layer in (self.attention, self.value):
            nn.init.normal_(layer.norm.weight)
            nn.init.normal_(layer.norm.bias)
        self.x = torch.randn(SITES, 3, dtype=torch.float64, requires_grad=True)
        self.edge_attr = torch.randn(PAIRS, 2, dtype=torch.float64, requires_grad=True)
        sender = torch.randint(SITES, (PAIRS,))
        self.edge_index = torch.stack([sender, torch.randint(SITES - 1, (PAIRS,))])
        self.multiplicity = torch.randint(1, 4, (PAIRS,))
        self.locality = torch.randn(
            PAIRS, HEADS, dtype=torch.float64, requires_grad=True
        )

    def inputs(self) -> list[Tensor]:
        """Return all that has a gradient."""
        modules = (self.attention, self.logits, self.value)
        weights = [weight for module in modules for weight in module.parameters()]
        return [self.x, self.edge_attr, self.locality, *weights]

    def fused(self, kinds: Kinds | None = None) -> tuple[Tensor, Tensor]:
        """Return heads and attention weights as the package computes them."""
        rows = self.edge_attr
        prior = self.multiplicity.double().log().unsqueeze(-1) + self.locality
        if kinds is not None:
            rows = rows[kinds.first_pairs()]
        return fused_attention(
            self.attention, self.logits, self.value, self.x, self.x,
            self.edge_index, rows, prior, kinds,
        )  # fmt: skip

    def plain(self, edge_attr: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the same by the formula, receiver by receiver."""
        edge_attr = self.edge_attr if edge_attr is None else edge_attr
        j, i = self.edge_index
        joined = torch.cat([self.x[i], self.x[j], edge_attr], dim=1)
        logits = self.logits(_layer(self.attention, joined)) + self.locality
        value = _layer(self.value, joined)
        heads = torch.zeros(SITES, C, HEADS, dtype=torch.float64)
        alpha = torch.zeros(PAIRS, HEADS, dtype=torch.float64)
        for site in range(SITES):
            pairs = (i == site).nonzero().flatten()
            weight = self.multiplicity[pairs, None] * logits[pairs].exp()
            share = weight / weight.sum(0)
            alpha = alpha.index_copy(0, pairs, share)
            mean = (share[:, None, :] * value[pairs, :, None]).sum(0)
            heads = heads.index_copy(0, torch.tensor([site]), mean[None])
        return heads.flatten(1), alpha


def _layer(layer: PairLayer, joined: Tensor) -> Tensor:
    weight = torch.cat([part.weight for part in layer.parts()], dim=1)
    linear = nn.functional.linear(joined, weight, layer.receiver.bias)
    out: Tensor = layer.norm(nn.functional.mish(linear))
    return out


def test_heads_and_weights_are_those_of_the_formula() -> None:
    case = Case()
    for actual, expected in zip(case.fused(), case.plain(), strict=True):
        torch.testing.assert_close(actual, expected)


def test_weights_of_a_receiver_add_up_to_1_and_no_pairs_give_0() -> None:
    case = Case()
    heads, alpha = case.fused()
    sums = torch.zeros(SITES, HEADS, dtype=torch.float64)
    sums.index_add_(0, case.edge_index[1], alpha.detach())
    torch.testing.assert_close(sums[:-1], torch.ones_like(sums[:-1]))
    assert (heads[-1] == 0).all()


@pytest.mark.parametrize("output", ["heads", "weights", "both"])
def test_gradients_are_those_of_the_formula(output: str) -> None:
    case = Case()
    grads = []
    for results in (case.fused(), case.plain()):
        heads, alpha = (result.sin().sum() for result in results)
        loss = {"heads": heads, "weights": alpha, "both": heads + alpha}[output]
        grads.append(torch.autograd.grad(loss, case.inputs(), allow_unused=True))
    for actual, expected in zip(*grads, strict=True):
        if expected is None:
            assert actual is None or (actual == 0).all()
        else:
            torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-9)


def test_equal_features_are_computed_once() -> None:
    case = Case()
    kinds = Kinds(torch.arange(PAIRS) // 3, None)
    rows = case.edge_attr[kinds.first_pairs()][kinds.of_pair]
    for actual, expected in zip(case.fused(kinds), case.plain(rows), strict=True):
        torch.testing.assert_close(actual, expected)


def test_what_must_be_computed_is_the_pairs_or_their_kinds() -> None:
    index, rows = torch.zeros(2, 4, dtype=torch.long), torch.randn(2, 3)
    of_pair, sites = torch.tensor([0, 0, 1, 1]), torch.tensor([[0, 1], [1, 0]])
    assert distinct_pairs(index, rows, None)[1].kind is None
    own, features = distinct_pairs(index, rows, Kinds(of_pair, None))
    assert own is index
    assert features.kind is of_pair
    own, features = distinct_pairs(index, rows, Kinds(of_pair, sites))
    assert own is sites
    assert features.num_pairs == 2
