"""The scores of Matbench, as its board defines them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Kind = Literal["regression", "classification"]

# Percentages of values nearer to 0 than this are left out, as the board does.
_NEAR_ZERO = 1e-5
_THRESHOLD = 0.5


def main_score(kind: Kind) -> str:
    """Return the score that the board ranks by."""
    return "mae" if kind == "regression" else "rocauc"


def fold_scores(truth: ArrayLike, predicted: ArrayLike, kind: Kind) -> dict[str, float]:
    """Return the scores of a fold.

    Args:
        truth: Known values, [N]; classes as 0 and 1.
        predicted: Predictions, [N]; for classes, the probability of class 1.
        kind: Kind of the task.

    Returns:
        ``mae``, ``rmse``, ``mape`` and ``max_error``, or ``accuracy``,
        ``balanced_accuracy``, ``f1`` and ``rocauc``.

    Example:
        >>> fold_scores([1.0, 2.0], [1.5, 2.0], "regression")["mae"]
        0.25
    """
    truth = np.asarray(truth, dtype=np.float64)
    predicted = np.asarray(predicted, dtype=np.float64)
    if kind == "classification":
        return _class_scores(truth > _THRESHOLD, predicted)
    error = np.abs(truth - predicted)
    counts = np.abs(truth) > _NEAR_ZERO
    shares = error[counts] / np.abs(truth[counts])
    return {
        "mae": float(error.mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mape": float(shares.mean()) if counts.any() else 0.0,
        "max_error": float(error.max()),
    }


def dummy_predictions(train: ArrayLike, count: int) -> NDArray[np.float64]:
    """Predict the mean of the training part, for classes their share, [count]."""
    return np.full(count, np.asarray(train, dtype=np.float64).mean())


def _class_scores(
    truth: NDArray[np.bool_], probability: NDArray[np.float64]
) -> dict[str, float]:
    from sklearn import metrics  # takes a second

    label = probability > _THRESHOLD
    return {
        "accuracy": float(metrics.accuracy_score(truth, label)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(truth, label)),
        "f1": float(metrics.f1_score(truth, label, zero_division=0.0)),
        "rocauc": float(metrics.roc_auc_score(truth, probability)),
    }
