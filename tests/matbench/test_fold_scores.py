import numpy as np
import pytest

from pyg_sitenet.matbench.fold_scores import dummy_predictions, fold_scores, main_score
from pyg_sitenet.matbench.memory import peak_memory, reset_peak_memory


def test_scores_of_numbers_by_hand():
    scores = fold_scores([1.0, -2.0, 0.0], [2.0, -2.0, 2.0], "regression")
    assert scores == pytest.approx(
        {"mae": 1.0, "rmse": np.sqrt(5 / 3), "mape": 0.5, "max_error": 2.0}
    )


def test_scores_of_classes_by_hand():
    scores = fold_scores([1, 1, 0, 0], [0.9, 0.4, 0.3, 0.45], "classification")
    assert scores == pytest.approx(
        {"accuracy": 0.75, "balanced_accuracy": 0.75, "f1": 2 / 3, "rocauc": 0.75}
    )


def test_dummy_knows_the_training_part_alone():
    assert dummy_predictions([1.0, 3.0], 3).tolist() == [2.0, 2.0, 2.0]


def test_board_ranks_by_error_or_by_area():
    assert [main_score(kind) for kind in ("regression", "classification")] == [
        "mae",
        "rocauc",
    ]


def test_peak_of_memory_is_seen_and_forgotten():
    can_reset = reset_peak_memory()
    before = peak_memory()
    block = np.ones(40_000_000)  # 320 MB
    block += 1
    after = peak_memory()
    assert after > before + 250
    del block
    if can_reset:
        reset_peak_memory()
        assert peak_memory() < after - 250
