"""What crystals a model has seen, so that a prediction beyond them can say so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch_geometric.data import Data

Range = tuple[float, float]

# Column of the oxidation state in the site features x.
_OXIDATION_STATE = 8


class Traits(NamedTuple):
    """What can be said of one crystal, in the units of :class:`Domain`."""

    num_sites: int
    volume_per_atom: float
    shortest_distance: float | None
    oxidation_states: Range

    @property
    def has_oxidation_states(self) -> bool:
        """Whether any site carries one that is not 0."""
        return self.oxidation_states != (0.0, 0.0)


class Domain(BaseModel):
    """Ranges over the crystals that a model was trained on.

    Attributes:
        num_sites: Atoms of the primitive cell.
        volume_per_atom: Cubic angstrom.
        shortest_distance: Angstrom between two atoms of one crystal; None if the
            environments held no second atom.
        oxidation_states: Of the sites; 0 and 0 if no crystal carried any.
        always_oxidation_states: Whether every crystal carried them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_sites: tuple[int, int]
    volume_per_atom: Range
    shortest_distance: Range | None
    oxidation_states: Range
    always_oxidation_states: bool


def crystal_traits(data: Data) -> Traits:
    """Return the traits of an encoded crystal, whether its equals are merged or not."""
    sites = data.get("site_multiplicity")
    num_sites = len(data.z) if sites is None else int(sites.sum())
    distances: Tensor = data.edge_attr[:, 0]
    positive = distances[distances > 0]  # 0 is an atom and itself
    states = data.x[:, _OXIDATION_STATE]
    return Traits(
        num_sites=num_sites,
        volume_per_atom=float(data.cell.double().det().abs()) / num_sites,
        shortest_distance=float(positive.min()) if len(positive) else None,
        oxidation_states=(float(states.min()), float(states.max())),
    )


def measure_domain(graphs: Iterable[Data]) -> Domain:
    """Return the ranges over encoded crystals, which are looked at one by one.

    Raises:
        ValueError: If there is no crystal.
    """
    sites: Range = (math.inf, -math.inf)
    volumes = distances = states = sites
    always = True
    for traits in map(crystal_traits, graphs):
        sites = _widen(sites, traits.num_sites, traits.num_sites)
        volumes = _widen(volumes, traits.volume_per_atom, traits.volume_per_atom)
        if traits.shortest_distance is not None:
            distance = traits.shortest_distance
            distances = _widen(distances, distance, distance)
        states = _widen(states, *traits.oxidation_states)
        always = always and traits.has_oxidation_states
    if math.isinf(sites[0]):
        raise ValueError("`graphs` must hold at least one crystal, got none")
    return Domain(
        num_sites=(int(sites[0]), int(sites[1])),
        volume_per_atom=volumes,
        shortest_distance=None if math.isinf(distances[0]) else distances,
        oxidation_states=states,
        always_oxidation_states=always,
    )


def _widen(limits: Range, low: float, high: float) -> Range:
    return min(limits[0], low), max(limits[1], high)
