"""One prediction from those of several orderings of a disordered crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyg_sitenet.data.graph.encoded import Ordered


@dataclass(frozen=True, slots=True)
class Spread:
    """How the predictions differ between the orderings of a disordered crystal.

    Attributes:
        orderings: How many different ones there are.
        misfit: How far their composition is from that of the crystal: of the element
            that differs most, atoms per disordered site.
        std: Standard deviation of each target over the orderings, in its units.
        min: Lowest value of each target.
        max: Highest value of each target.
    """

    orderings: int
    misfit: float
    std: dict[str, float]
    min: dict[str, float]
    max: dict[str, float]


def average(
    targets: Sequence[str], rows: Sequence[Sequence[float]], ordered: Ordered
) -> tuple[dict[str, float], Spread]:
    """Return the mean and the spread of predictions, orderings weighted.

    Args:
        targets: Names, in the order of the columns.
        rows: The predictions for each ordering, [num_orderings, num_targets].
        ordered: Weights and misfit of the orderings.
    """
    values, weights = np.array(rows), np.array(ordered.weights)
    mean = weights @ values
    std = np.sqrt(weights @ (values - mean) ** 2)

    def named(column: np.ndarray) -> dict[str, float]:
        return dict(zip(targets, map(float, column), strict=True))

    return named(mean), Spread(
        orderings=len(rows),
        misfit=ordered.misfit,
        std=named(std),
        min=named(values.min(axis=0)),
        max=named(values.max(axis=0)),
    )
