"""Scores of numbers and of classes; what is not defined is ``None``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Score = dict[str, float | None]

CLASS_SCORES = ("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss")
# Least probability whose logarithm is taken: nearer to 1 or 0 float32 does not tell.
_LEAST = float(np.finfo(np.float32).eps)


def score(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float | None]:
    """Return MAE and RMSE (in the unit of the values) and R2; ``None`` if undefined.

    Crystals whose true value is NaN, not known, do not count.

    Shapes:
        - **truth, predicted:** :math:`(N)`

    Example:
        >>> score([1.0, 3.0], [1.0, 2.0])
        {'mae': 0.5, 'rmse': 0.7071067811865476, 'r2': 0.5}
    """
    values = np.asarray(truth, dtype=np.float64)
    labelled = ~np.isnan(values)
    error = (np.asarray(predicted, dtype=np.float64) - values)[labelled]
    values = values[labelled]
    if not values.size:
        return {"mae": None, "rmse": None, "r2": None}
    spread = float(((values - values.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / spread if spread > 0 else None,
    }


def class_score(truth: ArrayLike, probabilities: ArrayLike) -> Score:
    """Return how good the probabilities of classes are; ``None`` if undefined.

    Crystals whose class is NaN, not known, do not count.

    Args:
        truth: Number of the true class, [N].
        probabilities: Of each class, [N, K].

    Returns:
        ``accuracy`` of the most probable class; ``balanced_accuracy``, the mean share
        of each class that is recognised; ``f1``, the mean over the classes that occur
        or are predicted; ``roc_auc``, of two classes, or the mean of one against the
        rest over those that can be told apart; ``log_loss`` in natural logarithms.
        Where all crystals are of one class the others are ``None``: they would be
        perfect for a constant guess.

    Example:
        >>> scores = class_score([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> round(scores["accuracy"], 3), scores["balanced_accuracy"], scores["roc_auc"]
        (0.667, 0.75, 1.0)
    """
    from sklearn import metrics  # takes a second

    values = np.asarray(truth, dtype=np.float64)
    labelled = ~np.isnan(values)
    predicted = np.asarray(probabilities, dtype=np.float64)[labelled]
    classes = values[labelled].astype(np.int64)
    if not classes.size:
        return dict.fromkeys(CLASS_SCORES)
    label, options = (
        predicted.argmax(axis=1),
        {"average": "macro", "zero_division": 0.0},
    )
    present = np.unique(classes)
    of_truth = predicted[np.arange(len(classes)), classes]
    log_loss = float(-np.log(of_truth.clip(_LEAST, 1.0)).mean())
    if len(present) < 2:
        return {**dict.fromkeys(CLASS_SCORES), "log_loss": log_loss}
    return {
        "accuracy": float((label == classes).mean()),
        "balanced_accuracy": float(
            metrics.recall_score(classes, label, labels=present, **options)
        ),
        "f1": float(metrics.f1_score(classes, label, **options)),
        "roc_auc": _roc_auc(classes, predicted),
        "log_loss": log_loss,
    }


def target_scores(truth: Array, answers: Array, classes: Sequence[str]) -> Score:
    """Return the scores of a target, whatever its kind.

    Args:
        truth: Known values, or numbers of classes, [N].
        answers: Predicted value [N, 1], or probability of each class [N, K].
        classes: Labels of the classes; none for a number.
    """
    if classes:
        return class_score(truth, answers)
    return score(truth, answers[:, 0])


def _roc_auc(classes: NDArray[np.int64], probabilities: Array) -> float | None:
    from sklearn import metrics

    count = probabilities.shape[1]
    which = [1] if count == 2 else range(count)
    areas = [
        metrics.roc_auc_score(classes == k, probabilities[:, k])
        for k in which
        if 0 < (classes == k).sum() < len(classes)
    ]
    return float(np.mean(areas)) if areas else None
