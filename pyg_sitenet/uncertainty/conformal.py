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

For classes the score is :math:`1 - p` of the true class, and the set of all classes
with :math:`1 - p \le q`, with the most probable one always in it, holds the true class
as often (:func:`prediction_set`).

Reference:
    Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, J. Am. Stat. Assoc. 113, 1094
    (2018), sections 2.2 and 5.2, https://doi.org/10.1080/01621459.2017.1307116; for
    classes Sadinle, Lei and Wasserman, J. Am. Stat. Assoc. 114, 223 (2019),
    https://doi.org/10.1080/01621459.2017.1395341.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pyg_sitenet.errors import ConfigError

Array = NDArray[np.float64]


class Calibration(BaseModel):
    """What a model file keeps to give intervals.

    Attributes:
        scores: For each target the scores of the calibration crystals, ascending, in
            units of the target for a single model, without dimension for an ensemble.
        floors: For each target what is added to the spread of the members, in its
            unit; 1 for a single model, whose spread is 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    scores: dict[str, tuple[float, ...]]
    floors: dict[str, float]

    def bound(self, target: str, level: float) -> float:
        """Return the score that holds at this level; infinite if none does."""
        scores = self.scores.get(target, ())
        rank = conformal_rank(len(scores), level)
        return scores[rank - 1] if rank <= len(scores) else math.inf

    def half_width(
        self, target: str, level: float, spread: float = 0.0, widening: float = 1.0
    ) -> float:
        """Return how far the interval reaches to each side, in the target's unit.

        Args:
            target: Which property.
            level: Share of crystals whose true value is to lie inside, such as 0.9.
            spread: Standard deviation of an ensemble's members for this crystal.
            widening: Above 1 if the crystal is unlike those of training.

        Raises:
            ConfigError: If the level is not between 0 and 1, if the target has no
                calibration, or if the calibration crystals are too few for the level,
                or too many of their predictions not finite.
        """
        if not 0 < level < 1:
            raise ConfigError(f"the level must lie between 0 and 1, got {level:g}")
        if target not in self.scores:
            calibrated = ", ".join(self.scores) or "none"
            raise ConfigError(
                f"{target}: no intervals were calibrated for it (calibrated: "
                f"{calibrated}); train with data.calibration_fraction=0.1"
            )
        bound, number = self.bound(target, level), len(self.scores[target])
        if math.isinf(bound) and number < _least(level):
            raise ConfigError(
                f"{target}: the level {level:g} needs {_least(level)} calibration "
                f"crystals, the model has {number}; ask for a lower level or train "
                "with a larger data.calibration_fraction"
            )
        if math.isinf(bound):
            raise ConfigError(
                f"{target}: at the level {level:g} the interval is infinite, since "
                "predictions of calibration crystals were not finite; ask for a lower "
                "level or train anew"
            )
        return bound * (spread + self.floors[target]) * widening


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
        scores[target] = tuple(np.sort(1.0 - of_truth).tolist())
    return Calibration(scores=scores, floors=dict.fromkeys(scores, 1.0))


def prediction_set(probabilities: Array, bound: float) -> NDArray[np.bool_]:
    """Return which classes are in the set of each crystal, [N, K].

    Args:
        probabilities: Of each class, [N, K].
        bound: What :meth:`Calibration.half_width` gives for the level.
    """
    inside = 1.0 - probabilities <= bound
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return inside


def conformal_rank(num_scores: int, level: float) -> int:
    """Return which of the ascending scores, from 1, bounds the interval.

    Example:
        >>> conformal_rank(9, 0.9), conformal_rank(8, 0.9)
        (9, 9)
    """
    # 0.9 * 10 is not quite 9 in floating point.
    return math.ceil((num_scores + 1) * level - 1e-9)


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
        widening: Of each crystal, as for :meth:`Calibration.half_width`.
    """
    scores, used = {}, {}
    for target, values in truth.items():
        floor = 1.0 if floors is None else floors[target]
        sigma = floor + (np.zeros(len(values)) if spread is None else spread[target])
        sigma = sigma if widening is None else sigma * widening
        ratio = np.abs(values - predicted[target]) / sigma
        ratio[~np.isfinite(ratio)] = np.inf
        finite = np.sort(ratio[np.isfinite(values)])
        scores[target], used[target] = tuple(finite.tolist()), floor
    return Calibration(scores=scores, floors=used)


def spread_floor(spread: Array) -> float:
    """Return half the median spread: no interval shrinks to nothing by agreement.

    Args:
        spread: Of crystals that are *not* used to calibrate, ``[N]``.
    """
    typical = float(np.median(spread)) if len(spread) else 0.0
    return 0.5 * typical if typical > 0 else 1.0


def _least(level: float) -> int:
    """Return the smallest number of crystals that gives an interval of this level."""
    number = max(1, math.floor(level / (1 - level)))
    while conformal_rank(number, level) > number:
        number += 1
    return number
