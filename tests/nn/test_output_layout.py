"""Which outputs belong to which target, and what they mean."""

from __future__ import annotations

import math

import pytest
import torch

from pyg_sitenet.config import Config, override
from pyg_sitenet.nn.output_layout import OutputLayout

LAYOUT = OutputLayout.make(
    ["gap", "kind", "modulus"], {"kind": ("metal", "glass")}, {"modulus": "log10"}
)


def test_numbers_have_an_output_and_classes_one_each() -> None:
    assert [target.columns for target in LAYOUT.targets] == [
        slice(0, 1),
        slice(1, 3),
        slice(3, 4),
    ]
    assert LAYOUT.num_outputs == 4
    assert LAYOUT.outputs == ("gap", "kind p(metal)", "kind p(glass)", "modulus")
    assert OutputLayout.make([]).num_outputs == 0


def test_layout_of_a_configuration() -> None:
    settings = [
        "data.targets=[gap, kind, modulus]",
        "data.classes={kind: [metal, glass]}",
        "training.target_transform={modulus: log10}",
    ]
    assert OutputLayout.of(override(Config(), settings)) == LAYOUT


def test_outputs_that_a_known_value_asks_for() -> None:
    outputs = LAYOUT.known({"gap": 1.5, "kind": 1.0})
    assert outputs["gap"] == 1.5
    assert (outputs["kind p(metal)"], outputs["kind p(glass)"]) == (0.0, 1.0)
    assert math.isnan(outputs["modulus"])
    unknown = LAYOUT.known({"kind": math.nan})
    assert math.isnan(unknown["kind p(metal)"])


def test_answers_are_numbers_in_their_units_and_probabilities() -> None:
    learned = torch.tensor([[0.5, 0.0, math.log(3), 2.0]])
    expected = torch.tensor([[0.5, 0.25, 0.75, 100.0]])
    torch.testing.assert_close(LAYOUT.answers(learned), expected)


def test_plain_numbers_are_answered_as_they_are() -> None:
    learned = torch.randn(3, 2)
    assert OutputLayout.make(["a", "b"]).answers(learned) is learned


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("identity", -1.0), ("clamp", 0.0), ("softplus", math.log1p(math.exp(-1)))],
)
def test_activation_changes_plain_numbers_alone(
    activation: str, expected: float
) -> None:
    active = LAYOUT.activate(torch.full((1, 4), -1.0), activation)
    torch.testing.assert_close(active, torch.tensor([[expected, -1.0, -1.0, -1.0]]))


def test_clamp_has_the_gradient_of_the_identity() -> None:
    raw = torch.tensor([[-2.0]], requires_grad=True)
    OutputLayout.make(["gap"]).activate(raw, "clamp").backward()
    assert raw.grad is not None
    assert raw.grad.item() == 1.0


@pytest.mark.parametrize("transform", ["", "log", "log10", "log1p"])
def test_what_is_learnt_leads_back_to_the_value(transform: str) -> None:
    [target] = OutputLayout.make(["a"], None, {"a": transform}).targets
    value = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    torch.testing.assert_close(target.in_unit(target.learned(value)), value)


def test_values_of_logarithms() -> None:
    value = torch.tensor([math.e, 100.0, math.e - 1], dtype=torch.float64)
    for position, (transform, expected) in enumerate(
        [("log", 1.0), ("log10", 2.0), ("log1p", 1.0)]
    ):
        [target] = OutputLayout.make(["a"], None, {"a": transform}).targets
        assert target.learned(value)[position].item() == pytest.approx(expected)


def test_label_is_that_of_the_most_probable_class() -> None:
    assert LAYOUT.targets[1].label([0.4, 0.6]) == "glass"
    assert LAYOUT.targets[1].label([0.5, 0.5]) == "metal"
