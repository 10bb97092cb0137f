"""How unlike the training data a crystal is, and why."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.novelty.counts import Counts
from pyg_sitenet.novelty.features import GEOMETRY, Crystal
from pyg_sitenet.novelty.reasons import reason
from pyg_sitenet.novelty.record import Novelty

Array = NDArray[np.float64]

RARE = 0.01
"""Novelty below which a crystal is warned about."""
_NEAREST = 3  # training crystals whose distance counts
_COMPARED = 8  # of them, whose values are compared
# At least so much lies between the median and the 99th percentile; of the distance of
# vectors a share of the median, of geometry standard deviations.
_WIDTHS = {
    **{"element": 1.0, "number": 1.0, "kinds": 1.0, "pairs": 0.34},
    **{"vector": 0.1, "spread": 1.0, "values": 0.6, "volume": 4.0},
    **{"bonds": 0.1, "packing": 0.1},
}
_WIDTH_OF_GEOMETRY = 1.5


class Comparison(NamedTuple):
    """How unlike a crystal is those of training.

    Attributes:
        size: How unlike; of ordinary crystals few have more than 1.
        widening: By how much its interval is wider than that of an ordinary one.
    """

    size: float
    widening: float


class Own(NamedTuple):
    """What of a training crystal is left out where it is compared with the others.

    Attributes:
        counts: Of all training crystals, itself among them.
        excess: Of each number of all of them, by what others say, [N].
        place: Its own among them.
    """

    counts: Counts
    excess: Mapping[str, Array]
    place: int


class NoveltyMeasure:
    """Compares crystals with what is kept of those that a model was trained on.

    Args:
        record: What is kept.
    """

    def __init__(self, record: Novelty) -> None:
        self.record = record
        self._held_out = np.array(record.held_out)
        self._counts = Counts(
            record.num_crystals,
            record.elements,
            record.numbers,
            record.kinds,
            dict.fromkeys(record.pairs, 1),
        )
        flat = np.frombuffer(base64.b64decode(record.vectors), np.float16)
        vectors = flat.reshape(-1, max(1, record.width)).astype(np.float64)
        spread = vectors.std(axis=0) if len(vectors) else np.ones(1)
        self._spread = np.where(spread > 1e-6, spread, 1.0)
        self._center = vectors.mean(axis=0) if len(vectors) else np.zeros(1)
        scaled = (vectors - self._center) / self._spread
        self._vectors = scaled.astype(np.float32)  # [M, C]
        self._squares = (scaled**2).sum(axis=1)
        values = np.frombuffer(base64.b64decode(record.values), np.float16)
        self._values = values.reshape(max(1, len(vectors)), -1).astype(np.float64)

    def compare(self, crystal: Crystal) -> Comparison:
        """Return how unlike a crystal is."""
        return self.compare_raw(self.raw(crystal), crystal.features.elements)

    def compare_raw(
        self, raw: Mapping[str, float], elements: tuple[int, ...]
    ) -> Comparison:
        """Return how unlike a crystal is of which :meth:`raw` is known."""
        sizes = self._scaled(raw)
        # The spread of an ensemble is a factor of its own of the interval.
        unlike = max(size for name, size in sizes.items() if name != "spread")
        is_new = not self._counts.has_all(elements)
        widening = max(1.0, unlike, self.record.reach if is_new else 1.0)
        return Comparison(max(sizes.values()), widening)

    def of(self, size: float) -> float:
        """Return the share of ordinary crystals that are at least as unlike."""
        below = int(np.searchsorted(self._held_out, size, side="left"))
        return 1.0 - below / len(self._held_out)

    def reasons(self, crystal: Crystal) -> list[str]:
        """Return why a crystal is unlike others, the main reasons first."""
        sizes = self._scaled(self.raw(crystal))
        names = sorted(sizes, key=sizes.__getitem__, reverse=True)
        return [
            reason(name, crystal.features, self.record)
            for name in names[:2]
            if sizes[name] >= 1
        ]

    def _scaled(self, raw: Mapping[str, float]) -> dict[str, float]:
        """Return in each way how unlike a crystal is.

        0 is the median of ordinary crystals, 1 their 99th percentile.
        """
        sizes = {}
        for name, value in raw.items():
            low = self.record.medians[name]
            width = max(self.record.limits[name] - low, least_width(name, low))
            sizes[name] = (value - low) / max(width, 1e-9)
        return sizes

    def raw(self, crystal: Crystal, own: Own | None = None) -> dict[str, float]:
        """Return in each way how unlike a crystal is, without a scale.

        Args:
            crystal: The crystal.
            own: Of a training crystal, whose vector is kept; it is then compared with
                the others.
        """
        is_own, features, record = int(own is not None), crystal.features, self.record
        counts = self._counts if own is None else own.counts
        values = counts.chemistry(features.elements, own=is_own)
        for name, value in zip(GEOMETRY, features.geometry, strict=True):
            mean, std = record.geometry[name]
            if name in record.geometric:
                values[name] = abs(value - mean) / max(std, 1e-3)
        for name, expected in record.expected.items():
            if own is None:
                values[name] = abs(expected.excess(features, features.numbers[name]))
            else:
                values[name] = abs(float(own.excess[name][own.place]))
        if len(self._vectors):
            nearest, distances = self._nearest(np.asarray(crystal.vector), is_own)
            values["vector"] = float(distances[:_NEAREST].mean()) if len(nearest) else 0
            if self._values.size:
                values["values"] = _disagreement(self._values[nearest])
        if len(crystal.spread) and record.spreads:
            ratios = zip(crystal.spread, record.spreads, strict=True)
            values["spread"] = max(spread / max(s, 1e-12) for spread, s in ratios)
        return values

    def _nearest(self, vector: Array, own: int) -> tuple[NDArray[np.int64], Array]:
        """Return the nearest training crystals and their distances, ascending."""
        scaled = (vector - self._center) / self._spread
        products = self._vectors @ scaled.astype(np.float32)
        squares = (self._squares + scaled @ scaled - 2.0 * products).clip(0.0)
        last = min(own + _COMPARED, len(squares))
        places = np.argpartition(squares, last - 1)[:last]
        places = places[np.argsort(squares[places])][own:]
        return places, np.sqrt(squares[places] / len(scaled))


def least_width(name: str, median: float) -> float:
    """Return what lies between a median and the 99th percentile at least."""
    if name == "vector":
        return _WIDTHS[name] * median
    return _WIDTHS.get(name, _WIDTH_OF_GEOMETRY)


def _disagreement(values: Array) -> float:
    """Return the largest standard deviation of a column, [K, T], NaN left out."""
    is_known = np.isfinite(values)
    number = np.maximum(is_known.sum(axis=0), 1)
    means = np.where(is_known, values, 0.0).sum(axis=0) / number
    squares = np.where(is_known, values - means, 0.0) ** 2
    return float(np.sqrt(squares.sum(axis=0) / number).max(initial=0.0))
