"""What becomes of a crystal: its graph, or one graph for each of its orderings."""

from __future__ import annotations

from typing import NamedTuple

from torch_geometric.data import Data


class Ordered(NamedTuple):
    """Weights and misfit of the ordered graphs that represent a disordered crystal.

    Args:
        weights: Of each graph; they add up to 1.
        misfit: Of the element whose amount differs most, per disordered site.
    """

    weights: tuple[float, ...]
    misfit: float


class Encoded(NamedTuple):
    """The graph of a crystal, and what else is known of the crystal.

    Args:
        data: The graph with ``y`` [1, T], ``id`` and ``formula``.
        id: Name of the crystal.
        warnings: Problems that do not prevent its use.
        origin: Where the crystal came from.
        targets: Its known values.
        others: Graphs of further orderings, if the crystal is disordered.
        ordered: How the orderings stand for it; None if it is ordered.
    """

    data: Data
    id: str
    warnings: tuple[str, ...] = ()
    origin: str = ""
    targets: dict[str, float] = {}  # noqa: RUF012 - never changed
    others: tuple[Data, ...] = ()
    ordered: Ordered | None = None

    @property
    def graphs(self) -> tuple[Data, ...]:
        """All graphs of the crystal: one, or one for each of its orderings."""
        return (self.data, *self.others)
