"""Mean and standard error of values that follow each other in time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# Blocks below this many say little about their own spread.
_MIN_BLOCKS = 8


@dataclass
class _Level:
    """Blocks of one length: how many, their mean and squared deviations."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    waiting: float | None = None  # the first half of a block of the next level

    def add(self, value: float) -> float | None:
        """Take a value; return the mean of two when it completes a pair."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self.squares += step * (value - self.mean)
        if self.waiting is None:
            self.waiting = value
            return None
        pair, self.waiting = (self.waiting + value) / 2, None
        return pair

    @property
    def error(self) -> float:
        """Standard error of the mean if these blocks were independent."""
        return math.sqrt(self.squares / (self.count - 1) / self.count)


@dataclass
class Series:
    r"""Statistics of a series of correlated values, such as those of an MD run.

    Values are averaged in blocks of 1, 2, 4, ... of them. The standard error of the
    mean grows with the length of the block until blocks are independent; it is taken
    where it no longer does so by more than its own uncertainty, :math:`1 /
    \sqrt{2 (n - 1)}` of it for :math:`n` blocks, of which there must be 8. Memory grows
    with the logarithm of the number of values.

    Attributes:
        min: Lowest value.
        max: Highest value.

    Reference:
        H. Flyvbjerg, H. G. Petersen, J. Chem. Phys. 91, 461 (1989),
        doi:10.1063/1.457480.

    Example:
        >>> series = Series()
        >>> for value in (1.0, 3.0, 1.0, 3.0):
        ...     series.add(value)
        >>> series.count, series.mean, round(series.std, 4)
        (4, 2.0, 1.1547)
    """

    min: float = math.inf
    max: float = -math.inf
    _levels: list[_Level] = field(default_factory=lambda: [_Level()])

    def add(self, value: float) -> None:
        """Append a value."""
        self.min, self.max = min(self.min, value), max(self.max, value)
        level, carried = 0, self._levels[0].add(value)
        while carried is not None:
            level += 1
            if level == len(self._levels):
                self._levels.append(_Level())
            carried = self._levels[level].add(carried)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self._levels[0].count

    @property
    def mean(self) -> float:
        """Their mean."""
        return self._levels[0].mean

    @property
    def std(self) -> float | None:
        """Their standard deviation; None of fewer than two."""
        first = self._levels[0]
        return math.sqrt(first.squares / (self.count - 1)) if self.count > 1 else None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None of fewer than two values."""
        if self.count < 2:
            return None
        levels = [level for level in self._levels if level.count >= _MIN_BLOCKS]
        errors = [level.error for level in levels] or [self._levels[0].error]
        for k, longer in enumerate(levels[1:], start=1):
            uncertainty = 1 / math.sqrt(2 * (longer.count - 1))
            if errors[k] <= errors[k - 1] * (1 + uncertainty):
                return max(errors[k - 1], errors[0])
        return errors[-1]

    @property
    def independent(self) -> float | None:
        """How many independent values would have this standard error, at most all."""
        error = self.standard_error
        if not error or self.std is None:
            return None
        return min(float(self.count), (self.std / error) ** 2)
