"""Random draws that keep the shares of classes alike in all parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

UNKNOWN = "nan"


def draw_alike(
    crystals: Indices, labels: Sequence[str], count: int, random: np.random.Generator
) -> tuple[Indices, Indices]:
    """Draw crystals so that each class has its share of them, up to one crystal.

    One crystal of each class at least is left, whatever the share: a class that is not
    in the training part cannot be learnt.

    Args:
        crystals: Which to draw from.
        labels: Class of every crystal there is, of several targets with spaces between
            them; empty or ``nan`` if unknown.
        count: How many to draw; fewer if classes are too small.
        random: Decides.

    Returns:
        Those drawn and those left, sorted.
    """
    order = _by_label(crystals, labels, random)
    representatives = _one_of_each(order, labels)
    free = order[~np.isin(order, representatives)]
    count = min(count, len(free))
    if not count:
        return np.empty(0, dtype=np.int64), np.sort(crystals)
    # Evenly spaced among crystals sorted by class.
    places = (np.arange(count) + random.random()) * len(free) / count
    drawn = free[np.minimum(places.astype(np.int64), len(free) - 1)]
    return np.sort(drawn), np.sort(crystals[~np.isin(crystals, drawn)])


def deal_alike(
    labels: Sequence[str], folds: int, random: np.random.Generator
) -> Indices:
    """Return the fold of each crystal; classes and sizes differ by one at most."""
    order = _by_label(np.arange(len(labels)), labels, random)
    fold_of = np.empty(len(labels), dtype=np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    return fold_of


def _by_label(
    crystals: Indices, labels: Sequence[str], random: np.random.Generator
) -> Indices:
    """Return crystals at random, those of a class together."""
    mixed = random.permutation(crystals)
    return mixed[np.argsort([labels[k] for k in mixed], kind="stable")]


def _one_of_each(order: Indices, labels: Sequence[str]) -> list[int]:
    """Return crystals that have each known class of each target among them."""
    first: dict[tuple[int, str], int] = {}
    for k in order.tolist():
        for of_target in enumerate(labels[k].split()):
            first.setdefault(of_target, k)
    return sorted({k for (_, label), k in first.items() if label != UNKNOWN})
