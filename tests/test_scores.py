"""Scores of classes against scikit-learn and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from pyg_sitenet.scores import CLASS_SCORES, class_score, target_scores

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("count", [2, 4])
def test_scores_are_those_of_scikit_learn(count: int) -> None:
    truth = RANDOM.integers(0, count, 50)
    result = RANDOM.dirichlet(np.ones(count), 50)
    label, scores = result.argmax(axis=1), class_score(truth, result)
    expected = {
        "accuracy": metrics.accuracy_score(truth, label),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, label),
        "f1": metrics.f1_score(truth, label, average="macro"),
        "roc_auc": metrics.roc_auc_score(truth, result[:, 1])
        if count == 2
        else metrics.roc_auc_score(truth, result, multi_class="ovr"),
        "log_loss": metrics.log_loss(truth, result),
    }
    assert scores == pytest.approx(expected)


def test_scores_by_hand() -> None:
    result = class_score(
        [0, 0, 1, math.nan], [[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0, 1]]
    )
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert result["balanced_accuracy"] == pytest.approx(0.75)
    assert result["f1"] == pytest.approx(2 / 3)
    assert result["roc_auc"] == pytest.approx(1.0)
    expected = -(math.log(0.8) + math.log(0.4) + math.log(0.7)) / 3
    assert result["log_loss"] == pytest.approx(expected)


def test_what_is_not_defined_is_none() -> None:
    assert class_score([math.nan], [[0.5, 0.5]]) == dict.fromkeys(CLASS_SCORES)
    first = class_score([1, 1], [[0.2, 0.8], [0.6, 0.4]])
    assert first.pop("log_loss") == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    assert set(first.values()) == {None}  # a constant guess would be perfect
    # Class 2 does not occur: the mean is over those that can be told from others.
    some = class_score([0, 1], [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    assert some["roc_auc"] == pytest.approx(1.0)


def test_probability_of_zero_has_a_finite_loss() -> None:
    result = class_score([0], [[0.0, 1.0]])["log_loss"]
    assert result == pytest.approx(-math.log(np.finfo(np.float32).eps))


def test_target_is_scored_by_its_kind() -> None:
    truth = np.array([0.0, 1.0])
    assert target_scores(truth, np.array([[0.5], [1.0]]), ())["mae"] == 0.25
    result = target_scores(truth, np.array([[0.9, 0.1], [0.6, 0.4]]), ("a", "b"))
    assert result["accuracy"] == 0.5
