r"""Split-conformal intervals: how wide they must be, learnt from held-out crystals.

Of :math:`n` calibration crystals the scores :math:`s_i = |y_i - \hat y_i| / \sigma_i`
are kept. The interval of a new crystal at level :math:`p` is
:math:`\hat y \pm q \sigma`, where :math:`q` is the :math:`\lceil (n + 1) p \rceil`-th
smallest score: if the new crystal is drawn like the calibration crystals, it holds the
true value with a probability of at least :math:`p` and at most :math:`p + 1 / (n + 1)`,
whatever the model.

:math:`\sigma` is 1 for a single model. For an ensemble it is the standard deviation of
its members plus a floor, so that crystals on which they disagree get wider intervals.
Of crystals that are unlike those of training (:mod:`pyg_sitenet.novelty`) it is larger.
The calibration crystals may have decided nothing, neither weights nor checkpoint nor
floor; that is why they are a part of their own.

Errors often depend on the value: a metal whose gap is predicted as 0 is rarely wrong,
a crystal near 1 eV often. Where there are enough calibration crystals they are ordered
by predicted value and cut into up to three groups of equal size, up to five if there
are many, and :math:`q` is that of the group into which the new crystal's prediction
falls. So the share inside is the same at small and at large predictions. A level that
needs more crystals than a group has takes all groups together.

For classes the score is :math:`1 - p` of the true class, and the set of all classes
with :math:`1 - p \le q`, with the most probable one always in it, holds the true class
as often (:func:`prediction_set`).

Reference:
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, J. Am. Stat. Assoc. 113, 1094
    (2018), sections 2.2 and 5.2, https://doi.org/10.1080/01621459.2017.1307116; for
    classes Sadinle, Lei and Wasserman, J. Am. Stat. Assoc. 114, 223 (2019),
    https://doi.org/10.1080/01621459.2017.1395341; for groups Vovk, Gammerman and
    Shafer, Algorithmic Learning in a Random World (2005), section 4.5.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.uncertainty.calibration import Calibration

Array = NDArray[np.float64]


GROUPS = {5: 150, 4: 150, 3: 50, 2: 50}
"""Numbers of groups, and how many crystals each needs then.

The coverage of a group is 90 % with a spread of 2.4 % with 150 and of 4.2 % with 50.
"""


def calibrate_classes(
    truth: Mapping[str, Array], probabilities: Mapping[str, Array]
) -> Calibration:
    """Make a calibration of targets that are classes.

    Args:
        truth: Number of the class, ``[N]`` each; NaN does not count.
        probabilities: Of each class, ``[N, K]``.
    """
    scores = {}
    for target, values in truth.items():
        rows = np.flatnonzero(np.isfinite(values))
        of_truth = probabilities[target][rows, values[rows].astype(np.int64)]
        scores[target] = (_ascending(1.0 - of_truth),)
    return Calibration(scores=scores, floors=dict.fromkeys(scores, 1.0))


def prediction_set(probabilities: Array, bound: float) -> NDArray[np.bool_]:
    """Return which classes are in the set of each crystal, [N, K].

    Args:
        probabilities: Of each class, [N, K].
        bound: What :meth:`~.calibration.HalfWidths.of` gives for the level.
    """
    inside = 1.0 - probabilities <= bound
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return inside


def calibrate(
    truth: Mapping[str, Array],
    predicted: Mapping[str, Array],
    spread: Mapping[str, Array] | None = None,
    floors: Mapping[str, float] | None = None,
    widening: Array | None = None,
) -> Calibration:
    """Make a calibration from held-out crystals, for each target.

    Args:
        truth: Known values, ``[N]`` each; crystals without a value (NaN) do not count.
        predicted: Predictions for the same crystals; one that is not finite counts as
            infinitely wrong, since leaving it out would make the intervals too small.
        spread: Standard deviation of the members of an ensemble.
        floors: What to add to the spread, from :func:`spread_floor`; needed with it.
        widening: Of each crystal, as for :meth:`~.calibration.HalfWidths.of`.

    Raises:
        ValueError: If `floors` are missing beside `spread`, or a target has not as many
            predictions as values.
    """
    if spread is not None and floors is None:
        raise ValueError(
            "`floors` must be given beside `spread`, in the unit of each target; "
            "`spread_floor` makes them of the spread of other crystals"
        )
    scores, used = {}, {}
    edges: dict[str, tuple[float, ...]] = {}
    for target in truth:
        values, answers = _pair(target, truth, predicted)
        floor = 1.0 if floors is None else floors[target]
        sigma = floor + (np.zeros(len(values)) if spread is None else spread[target])
        sigma = sigma if widening is None else sigma * widening
        ratio = np.abs(values - answers) / sigma
        ratio[~np.isfinite(ratio)] = np.inf
        is_known = np.isfinite(values)
        starts = _group_edges(answers[is_known])
        group = np.searchsorted(starts, answers[is_known], side="right")
        scores[target] = tuple(
            _ascending(ratio[is_known][group == k]) for k in range(len(starts) + 1)
        )
        used[target] = floor
        edges |= {target: starts} if starts else {}
    return Calibration(scores=scores, floors=used, edges=edges)


def _pair(
    target: str, truth: Mapping[str, Array], predicted: Mapping[str, Array]
) -> tuple[Array, Array]:
    """Return values and predictions of a target as arrays of one length."""
    values, answers = (
        np.asarray(own[target], dtype=np.float64) for own in (truth, predicted)
    )
    if values.ndim != 1 or values.shape != answers.shape:
        raise ValueError(
            f"{target!r} must have as many predictions as values, each of shape [N], "
            f"got {[*values.shape]} values and {[*answers.shape]} predictions"
        )
    return values, answers


def _group_edges(predicted: Array) -> tuple[float, ...]:
    """Return the predicted values at which the groups but the first begin.

    Equal predictions share a group; one that would be too small joins the next.
    """
    ordered = np.sort(predicted[np.isfinite(predicted)])
    number, least = next(
        (item for item in GROUPS.items() if len(ordered) >= item[0] * item[1]), (1, 0)
    )
    edges, start = [], 0
    for k in range(1, number):
        last = ordered[k * len(ordered) // number - 1]
        end = int(np.searchsorted(ordered, last, side="right"))
        if min(end - start, len(ordered) - end) >= least:
            edges.append(float(ordered[end]))
            start = end
    return tuple(edges)


def _ascending(scores: Array) -> tuple[float, ...]:
    return tuple(np.sort(scores).tolist())


def spread_floor(spread: Array, members: int) -> float:
    """Return what to add to a spread: no interval shrinks to nothing by agreement.

    The median spread, times 8 for two members, 2 for three, 0.9 for four and a half
    for more: few members agree by chance, and then their spread says little.

    Args:
        spread: Of held-out crystals, or of those trained on if there are no others,
            ``[N]``; errors decide nothing.
        members: Of the ensemble.
    """
    typical = float(np.median(spread)) if len(spread) else 0.0
    factor = max(0.5, 8 / (members - 1) ** 2)
    return factor * typical if typical > 0 else 1.0
