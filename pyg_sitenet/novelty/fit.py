"""What a model file keeps is learnt from training and held-out crystals."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.novelty.counts import Counts
from pyg_sitenet.novelty.expected import fit_expected
from pyg_sitenet.novelty.features import GEOMETRY, Crystal, Features
from pyg_sitenet.novelty.measure import NoveltyMeasure, Own, least_width
from pyg_sitenet.novelty.record import MOST_HELD_OUT, VECTOR_BYTES, Novelty

Array = NDArray[np.float64]

FEWEST = 20
"""Held-out crystals that can say what is usual."""
_COMMON = 0.02
_LEVEL = 0.9  # of the intervals that are compared
_MOST_REACH = 10.0
_MOST_VALUES = 100_000
_MOST_COMPARED = 1000  # training crystals that tell what is usual


def fit_novelty(
    training: Sequence[Features],
    sample: Mapping[int, Crystal],
    held_out: Sequence[Crystal],
    reach: float = 1.0,
) -> Novelty | None:
    """Return what tells how unlike crystals are; None of too few held-out crystals.

    What is usual in each way is learnt from training crystals, each compared with the
    others; if held-out crystals decided it, a new one would look more unlike than
    they. Both then tell how many are as unlike as a new one. How far the members of an
    ensemble disagree is learnt from held-out crystals, since they agree on what they
    learnt; so is how far the values of near crystals do, since a network brings those
    of one value together.

    Args:
        training: Features of all training crystals.
        sample: Some training crystals by their place, whose vectors are kept.
        held_out: Crystals that were not trained on.
        reach: See :class:`Novelty` and :func:`reach_of`.
    """
    if len(held_out) < FEWEST:
        return None
    counts = Counts.of(training)
    expected, excess = fit_expected(training)
    record = _described(training, counts, list(sample.values()), held_out)
    record = record.model_copy(update=expected)
    measure = NoveltyMeasure(record)
    places = list(sample)[:: -(-len(sample) // _MOST_COMPARED)]
    if len(places) < FEWEST:  # each would be new to the few others
        places = []
    compared = [sample[k] for k in places]
    own = [measure.raw(sample[k], Own(counts, excess, k)) for k in places]
    others = [measure.raw(crystal) for crystal in held_out]
    usual = own or others
    columns = {name: np.array([row[name] for row in usual]) for name in usual[0]}
    if own:  # more than those compared are known
        columns |= {name: np.abs(values) for name, values in excess.items()}
    for name in {"spread", "values"} & others[0].keys():
        columns[name] = np.array([row[name] for row in others])
    scales = {
        "medians": {k: float(np.quantile(v, 0.5)) for k, v in columns.items()},
        "limits": {k: _limit(k, v) for k, v in columns.items()},
    }
    record = record.model_copy(update={**scales, "reach": reach})
    measure = NoveltyMeasure(record)
    crystals = zip([*own, *others], [*compared, *held_out], strict=True)
    sizes = np.sort(
        [measure.compare_raw(raw, c.features.elements).size for raw, c in crystals]
    )
    step = -(-len(sizes) // MOST_HELD_OUT)
    quantiles = tuple((np.ceil(sizes[step - 1 :: step] * 1e4) / 1e4).tolist())
    return record.model_copy(update={"held_out": quantiles})


def reach_of(errors: Array, distances: Array) -> float:
    """Return how much wider an interval is of a crystal that has what is new.

    Of such a crystal the model knows something, and not all that it knows of others:
    its interval is the geometric mean of that of others and of one around the median
    of the training values.

    Args:
        errors: Of predictions for held-out crystals, [N].
        distances: Of their true values from the median of the training values, [N].
    """
    fits = np.isfinite(errors) & np.isfinite(distances)
    if fits.sum() < FEWEST:
        return 1.0
    model, nobody = (np.quantile(v[fits], _LEVEL) for v in (errors, distances))
    ratio = float(nobody / model) if model > 0 else _MOST_REACH**2
    return min(math.sqrt(max(1.0, ratio)), _MOST_REACH)


def _limit(name: str, values: Array) -> float:
    """Return the 99th percentile of the values, or more if many have the largest."""
    limit = float(np.quantile(values, 0.99))
    # Many have the largest value, such as all pairs new: it is ordinary.
    is_common = (values >= limit).mean() > _COMMON
    width = least_width(name, float(np.median(values)))
    return limit + width if is_common else limit


def sample_size(width: int) -> int:
    """Return how many vectors of this width a model file keeps."""
    return VECTOR_BYTES // (2 * max(1, width))


def _described(
    training: Sequence[Features],
    counts: Counts,
    sample: Sequence[Crystal],
    held_out: Sequence[Crystal],
) -> Novelty:
    rows = np.array([features.geometry for features in training])
    width = len(sample[0].vector)
    vectors = np.array([crystal.vector for crystal in sample[: sample_size(width)]])
    values = np.array([crystal.values for crystal in sample[: len(vectors)]])
    spreads = np.array([crystal.spread for crystal in held_out], dtype=np.float64)
    return Novelty(
        num_crystals=counts.num_crystals,
        elements=dict(counts.elements),
        numbers=dict(counts.numbers),
        kinds=dict(counts.kinds),
        pairs=tuple(sorted(counts.pairs)),
        geometry={
            name: (float(rows[:, k].mean()), float(rows[:, k].std()))
            for k, name in enumerate(GEOMETRY)
        },
        width=width,
        vectors=_text(vectors),
        values=_text(values) if values.size <= _MOST_VALUES else "",
        spreads=tuple(np.median(spreads, axis=0).tolist()),
    )


def _text(values: Array) -> str:
    half = values.clip(-6e4, 6e4).astype(np.float16)
    return base64.b64encode(half.tobytes()).decode()
