"""The loss by hand, with gaps, logarithms and classes."""

from __future__ import annotations

import math

import pytest
import torch

from pyg_sitenet.config import TrainingConfig
from pyg_sitenet.errors import DataError
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.loop.objective import (
    Objective,
    balanced_weights,
    check_targets,
    target_statistics,
)

NAN = math.nan
TWO = OutputLayout.make(["gap", "n"])


def _objective(
    layout: OutputLayout, spread: list[float], **settings: object
) -> Objective:
    config = TrainingConfig.model_validate(settings)
    return Objective(config, layout, torch.tensor(spread))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"loss": "mae"}, 3.5),
        ({"loss": "mse"}, 9.25),
        ({"loss": "huber"}, 0.125 + 2.5),
        ({"loss": "huber", "huber_delta": 2.0}, 0.125 + 2 * (3 - 1)),
    ],
)
def test_loss_of_known_errors(settings: dict[str, object], expected: float) -> None:
    # The errors are 0.5 and -3.
    sums = _objective(TWO, [1.0, 1.0], **settings)(
        torch.tensor([[1.5, 1.0]]), torch.tensor([[1.0, 4.0]])
    )
    assert sums.loss.item() == pytest.approx(expected)
    assert sums.counts.tolist() == [1, 1]
    assert sums.error.tolist() == [0.5, 3.0]


def test_standardised_loss_counts_targets_in_units_of_their_spread() -> None:
    learned, y = torch.tensor([[1.0, 20.0]]), torch.zeros(1, 2)
    scaled = _objective(TWO, [1.0, 20.0], standardize_target=True)
    assert scaled(learned, y).loss.item() == pytest.approx(2.0)
    assert _objective(TWO, [1.0, 20.0])(learned, y).loss.item() == pytest.approx(21.0)


def test_gaps_give_no_loss_and_no_gradient() -> None:
    learned = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = torch.tensor([[0.0, NAN], [NAN, 0.0]])
    sums = _objective(TWO, [1.0, 1.0])(learned, y)
    sums.loss.backward()
    assert sums.loss.item() == pytest.approx(5.0)
    assert sums.counts.tolist() == [1, 1]
    assert learned.grad is not None
    assert learned.grad.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_batch_that_knows_nothing_has_a_loss_of_zero() -> None:
    learned = torch.ones(2, 2, requires_grad=True)
    sums = _objective(TWO, [1.0, 1.0])(learned, torch.full((2, 2), NAN))
    sums.loss.backward()
    assert sums.loss.item() == 0
    assert learned.grad is not None
    assert not learned.grad.any()


@pytest.mark.parametrize(
    ("transform", "learned"), [("log", 2.0), ("log10", 2.0), ("log1p", 2.0)]
)
def test_logarithm_is_learnt_and_the_error_is_in_the_unit(
    transform: str, learned: float
) -> None:
    layout = OutputLayout.make(["eps"], transforms={"eps": transform})
    backward = {"log": math.exp(2), "log10": 100.0, "log1p": math.exp(2) - 1}
    sums = _objective(layout, [1.0])(torch.tensor([[learned]]), torch.tensor([[10.0]]))
    forward = {"log": math.log(10), "log10": 1.0, "log1p": math.log(11)}
    assert sums.loss.item() == pytest.approx(abs(2 - forward[transform]), rel=1e-5)
    assert sums.error.item() == pytest.approx(abs(backward[transform] - 10), rel=1e-5)
    answer = layout.answers(torch.tensor([[learned]])).item()
    assert answer == pytest.approx(backward[transform], rel=1e-5)


def test_classes_are_compared_by_cross_entropy_beside_numbers() -> None:
    layout = OutputLayout.make(["kind", "gap"], {"kind": ["a", "b", "c"]})
    assert layout.num_outputs == 4
    learned = torch.tensor([[2.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 7.0]])
    y = torch.tensor([[0.0, 4.0], [NAN, NAN]])
    sums = _objective(layout, [1.0] * 4)(learned, y)
    nll = math.log(math.exp(2) + 2) - 2
    assert sums.loss.item() == pytest.approx(nll + 1)
    assert sums.error.tolist() == pytest.approx([nll, 1.0])
    assert sums.right.tolist() == [1, 0]
    answers = layout.answers(learned)
    assert answers[:, :3].sum(dim=1).tolist() == pytest.approx([1, 1])
    assert answers[:, 3].tolist() == [5, 7]


@pytest.mark.parametrize("activation", ["clamp", "softplus"])
def test_output_activation_is_for_plain_numbers_alone(activation: str) -> None:
    layout = OutputLayout.make(["a", "b", "k"], {"k": ["x", "y"]}, {"b": "log"})
    result = layout.activate(torch.full((1, 4), -2.0), activation)
    assert result[0, 0] >= 0
    assert result[0, 1:].tolist() == [-2.0, -2.0, -2.0]


def test_statistics_are_mean_and_standard_deviation_of_known_values() -> None:
    y = torch.tensor([[1.0, 10.0], [NAN, 50.0], [3.0, NAN]])
    result = target_statistics(y, TWO)
    assert result.mean.tolist() == [2.0, 30.0]
    assert result.spread.tolist() == result.unit_spread.tolist() == [1.0, 20.0]


@pytest.mark.parametrize("y", [[[4.0]], [[4.0], [4.0]], [[4.0], [NAN]]])
def test_constant_target_has_spread_one(y: list[list[float]]) -> None:
    result = target_statistics(torch.tensor(y), OutputLayout.make(["gap"]))
    assert (result.mean.item(), result.spread.item()) == (4.0, 1.0)


def test_statistics_of_a_logarithm_are_of_the_logarithm() -> None:
    layout = OutputLayout.make(["eps"], transforms={"eps": "log10"})
    result = target_statistics(torch.tensor([[1.0], [100.0]]), layout)
    assert (result.mean.item(), result.spread.item()) == pytest.approx((1.0, 1.0))
    assert result.unit_spread.item() == pytest.approx(49.5)


@pytest.mark.parametrize(
    ("transform", "bad"), [("log", 0.0), ("log10", -2.0), ("log1p", -1.0)]
)
def test_value_without_a_logarithm_is_named(transform: str, bad: float) -> None:
    layout = OutputLayout.make(["eps"], transforms={"eps": transform})
    message = rf"b: the target 'eps' is {bad:g} \(1 such crystals\).*{transform} needs"
    with pytest.raises(DataError, match=message):
        check_targets(torch.tensor([[2.0], [bad], [NAN]]), ["a", "b", "c"], layout)
    check_targets(torch.tensor([[0.5], [NAN]]), ["a", "b"], layout)


def test_balanced_classes_weigh_alike_and_one_on_average() -> None:
    layout = OutputLayout.make(["gap", "kind"], {"kind": ["a", "b"]})
    y = torch.tensor([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [NAN, NAN]])
    weights = balanced_weights(y, layout)
    assert weights.tolist() == pytest.approx([1, 4 / 6, 2])
    config = TrainingConfig(class_weights="balanced")
    objective = Objective(config, layout, torch.ones(3), weights)
    sums = objective(torch.zeros(5, 3), y)
    # Each class has half of 4 log 2, whatever its share.
    assert sums.error[1].item() == pytest.approx(4 * math.log(2))
    assert sums.loss.item() == pytest.approx(6 + 4 * math.log(2))
