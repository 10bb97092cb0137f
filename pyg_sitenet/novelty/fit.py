"""What a model file keeps is learnt from training and held-out crystals."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.novelty.features import GEOMETRY, Features, kinds_of, pairs_of
from pyg_sitenet.novelty.measure import NoveltyMeasure, least_width
from pyg_sitenet.novelty.record import MOST_HELD_OUT, VECTOR_BYTES, Novelty

Array = NDArray[np.float64]

FEWEST = 20
"""Held-out crystals that can say what is usual."""
_COMMON = 0.02


def fit_novelty(
    training: Iterable[Features],
    vectors: Array,
    held_out: Sequence[tuple[Features, Array]],
) -> Novelty | None:
    """Return what tells how unlike crystals are; None of too few held-out crystals.

    Args:
        training: Features of all training crystals.
        vectors: Of a sample of them, [M, C].
        held_out: Features and vectors of crystals that were not trained on.
    """
    if len(held_out) < FEWEST:
        return None
    record = _counted(list(training), vectors)
    measure = NoveltyMeasure(record)
    raw = [measure.raw(features, vector) for features, vector in held_out]
    columns = {name: np.array([row[name] for row in raw]) for name in raw[0]}
    scales = {
        "medians": {k: float(np.quantile(v, 0.5)) for k, v in columns.items()},
        "limits": {k: _limit(k, v) for k, v in columns.items()},
    }
    record = record.model_copy(update=scales)
    measure = NoveltyMeasure(record)
    sizes = np.sort([measure.size(*crystal) for crystal in held_out])
    step = -(-len(sizes) // MOST_HELD_OUT)
    kept = tuple((np.ceil(sizes[step - 1 :: step] * 1e4) / 1e4).tolist())
    return record.model_copy(update={"held_out": kept})


def _limit(name: str, values: Array) -> float:
    """Return what a hundredth of the values lies above."""
    limit = float(np.quantile(values, 0.99))
    # Many have the largest value, such as all pairs new: it is ordinary.
    is_common = (values >= limit).mean() > _COMMON
    width = least_width(name, float(np.median(values)))
    return limit + width if is_common else limit


def sample_size(width: int) -> int:
    """Return how many vectors of this width a model file keeps."""
    return VECTOR_BYTES // (2 * max(1, width))


def _counted(training: Sequence[Features], vectors: Array) -> Novelty:
    rows = np.array([features.geometry for features in training])
    half = vectors[: sample_size(vectors.shape[1])].clip(-6e4, 6e4).astype(np.float16)
    return Novelty(
        num_crystals=len(training),
        elements=dict(Counter(z for crystal in training for z in crystal.elements)),
        numbers=dict(Counter(len(crystal.elements) for crystal in training)),
        kinds=dict(Counter(kinds_of(crystal.elements) for crystal in training)),
        pairs=tuple(sorted({p for c in training for p in pairs_of(c.elements)})),
        geometry={
            name: (float(rows[:, k].mean()), float(rows[:, k].std()))
            for k, name in enumerate(GEOMETRY)
        },
        width=vectors.shape[1],
        vectors=base64.b64encode(half.tobytes()).decode(),
    )
