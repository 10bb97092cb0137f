"""What a model file keeps of its calibration crystals, and the widths it gives."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, field_validator

from pyg_sitenet.errors import ConfigError


class Calibration(BaseModel):
    """What a model file keeps to give intervals.

    Attributes:
        scores: For each target and each group of predicted values the scores of the
            calibration crystals, ascending, in units of the target for a single model,
            without dimension for an ensemble. Files of earlier versions have one
            group, without the brackets around it.
        floors: For each target what is added to the spread of the members, in its
            unit; 1 for a single model, whose spread is 0.
        edges: For each target with more than one group the predicted value at which
            each group but the first begins, rising.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    scores: dict[str, tuple[tuple[float, ...], ...]]
    floors: dict[str, float]
    edges: dict[str, tuple[float, ...]] = {}

    @field_validator("scores", mode="before")
    @classmethod
    def _as_groups(cls, scores: object) -> object:
        if not isinstance(scores, Mapping):
            return scores
        return {
            target: groups if _is_nested(groups) else (groups,)
            for target, groups in scores.items()
        }

    def bounds(self, target: str, level: float) -> list[float]:
        """Return of each group the score that holds at this level; infinite if none.

        Groups that are too small for it have that of all groups together.
        """
        groups = self.scores.get(target, ())
        together = _bound(sorted(chain(*groups)), level)
        least = _least(level)
        return [
            together if len(scores) < least else _bound(scores, level)
            for scores in groups
        ]

    def check(self, target: str, level: float) -> None:
        """Raise an error if there are no intervals of this level.

        Raises:
            ConfigError: If the level is not between 0 and 1, if the target has no
                calibration, or if the calibration crystals are too few for the level,
                or too many of their predictions not finite.
        """
        if not isinstance(level, Real):
            raise ConfigError(
                f"the level must be a number between 0 and 1, got {level!r}"
            )
        if not 0 < level < 1:
            raise ConfigError(f"the level must lie between 0 and 1, got {level:g}")
        if target not in self.scores:
            calibrated = ", ".join(self.scores) or "none"
            raise ConfigError(
                f"{target}: no intervals were calibrated for it (calibrated: "
                f"{calibrated}); train with data.calibration_fraction=0.1"
            )
        if not math.isinf(max(self.bounds(target, level))):
            return
        number = sum(map(len, self.scores[target]))
        if number < _least(level):
            raise ConfigError(
                f"{target}: the level {level:g} needs {_least(level)} calibration "
                f"crystals, the model has {number}; ask for a lower level or train "
                "with a larger data.calibration_fraction"
            )
        raise ConfigError(
            f"{target}: at the level {level:g} the interval is infinite, since "
            "predictions of calibration crystals were not finite; ask for a lower "
            "level or train anew"
        )

    def half_widths(
        self,
        target: str,
        level: float,
        values: tuple[float, float] | None = None,
    ) -> HalfWidths:
        """Return what tells how far intervals of a level reach, checked once for all.

        Args:
            target: Which property.
            level: Share of crystals whose true value is to lie inside, such as 0.9.
            values: The smallest and the largest training value, if they are known.

        Raises:
            ConfigError: As :meth:`check`.
        """
        self.check(target, level)
        together = sorted(chain(*self.scores[target]))
        return HalfWidths(
            self.bounds(target, level),
            self.edges.get(target, ()),
            _bound(together, level),
            self.floors[target],
            values,
        )


class HalfWidths(NamedTuple):
    """How far the intervals of a target reach to each side, at one level.

    Attributes:
        bounds: Of each group of predicted values.
        edges: The predicted value at which each group but the first begins.
        together: The bound of all groups together.
        floor: What is added to the spread of the members, in the target's unit.
        values: The smallest and the largest training value, if they are known.
    """

    bounds: Sequence[float]
    edges: Sequence[float]
    together: float
    floor: float
    values: tuple[float, float] | None

    def of(self, predicted: float, spread: float = 0.0, widening: float = 1.0) -> float:
        """Return how far an interval reaches to each side, in the target's unit.

        Args:
            predicted: The prediction, which decides the group; of no account where
                there is one group, as for classes.
            spread: Standard deviation of an ensemble's members for this crystal.
            widening: Above 1 if the crystal is unlike those of training: then its
                prediction says less, and the bound is at least that of all groups
                together. However unlike it is, the interval reaches no further than
                the training values span, or than all of them are inside: beyond what
                was calibrated nothing is known, and that says so.
        """
        bound = self.bounds[bisect_right(self.edges, predicted)]
        if widening <= 1:
            return bound * (spread + self.floor) * widening
        ordinary = max(bound, self.together) * (spread + self.floor)
        if self.values is None:
            return ordinary * widening
        low, high = self.values
        everything = max(high, predicted) - min(low, predicted)
        return min(ordinary * widening, max(ordinary, everything))


def conformal_rank(num_scores: int, level: float) -> int:
    """Return which of the ascending scores, from 1, bounds the interval.

    Example:
        >>> conformal_rank(9, 0.9), conformal_rank(8, 0.9)
        (9, 9)
    """
    # 0.9 * 10 is not quite 9 in floating point.
    return math.ceil((num_scores + 1) * level - 1e-9)


def _bound(scores: Sequence[float], level: float) -> float:
    """Return the score, of ascending ones, that holds at this level."""
    rank = conformal_rank(len(scores), level)
    return scores[rank - 1] if rank <= len(scores) else math.inf


def _least(level: float) -> int:
    """Return the smallest number of crystals that gives an interval of this level."""
    number = max(1, math.floor(level / (1 - level)))
    while conformal_rank(number, level) > number:
        number += 1
    return number


def _is_nested(groups: object) -> bool:
    return isinstance(groups, list | tuple) and isinstance(
        next(iter(groups), None), list | tuple
    )
