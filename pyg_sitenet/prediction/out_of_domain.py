"""Reasons to trust a prediction less: how a crystal differs from those of training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ase.data import chemical_symbols
from torch_geometric.data import Data

from pyg_sitenet.domain import Domain, Range, Traits, crystal_traits
from pyg_sitenet.model_file import ModelDescription

# Relative: the same crystal in another setting differs by less.
_TOLERANCE = 1e-3

# Of the width of the training values: a model may reach a little beyond them.
_TARGET_MARGIN = 0.05


class OutOfDomain:
    """Compares crystals and predictions with what the model's description records.

    Args:
        description: Of the model; what it does not record is not compared.
    """

    def __init__(self, description: ModelDescription) -> None:
        self._elements = frozenset(description.elements)
        self._domain = description.domain
        self._has_novelty = description.novelty is not None
        self._ranges = description.target_ranges
        self._units = description.units

    def of_crystal(self, data: Data) -> tuple[str, ...]:
        """Return what about an encoded crystal the model has not seen in training."""
        texts = list(self._unseen_elements(data))
        if self._domain is not None:
            traits = crystal_traits(data)
            # What the novelty compares needs no ranges.
            differ = _beside_novelty if self._has_novelty else _differences
            texts += differ(traits, self._domain)
        return tuple(texts)

    def of_values(self, values: Mapping[str, float]) -> tuple[str, ...]:
        """Return which predicted values lie outside those of training."""
        return tuple(self._outside(values))

    def _unseen_elements(self, data: Data) -> Iterator[str]:
        unseen = sorted(set(data.z.tolist()) - self._elements)
        if unseen and self._elements:
            names = ", ".join(chemical_symbols[number] for number in unseen)
            yield f"the model has never seen {names} in training"

    def _outside(self, values: Mapping[str, float]) -> Iterator[str]:
        for name, value in values.items():
            if name not in self._ranges:
                continue
            low, high = self._ranges[name]
            margin = _TARGET_MARGIN * (high - low)
            if not low - margin <= value <= high + margin:
                unit = f" {self._units[name]}" if self._units.get(name) else ""
                yield (
                    f"{name} of {value:.4g}{unit} is outside the training values, "
                    f"{low:.4g} to {high:.4g}"
                )


def _beside_novelty(traits: Traits, domain: Domain) -> Iterator[str]:
    yield from _num_sites(traits, domain)
    yield from _oxidation_states(traits, domain)


def _num_sites(traits: Traits, domain: Domain) -> Iterator[str]:
    if not _within(traits.num_sites, domain.num_sites):
        yield (
            f"primitive cell of {traits.num_sites} atoms, training had "
            f"{_text(domain.num_sites)}"
        )


def _differences(traits: Traits, domain: Domain) -> Iterator[str]:
    yield from _num_sites(traits, domain)
    if not _within(traits.volume_per_atom, domain.volume_per_atom):
        yield (
            f"{traits.volume_per_atom:.3g} A^3 per atom, training had "
            f"{_text(domain.volume_per_atom)}"
        )
    shortest, limits = traits.shortest_distance, domain.shortest_distance
    if shortest is not None and limits is not None and not _within(shortest, limits):
        yield (f"nearest atoms {shortest:.3g} A apart, training had {_text(limits)}")
    yield from _oxidation_states(traits, domain)


def _oxidation_states(traits: Traits, domain: Domain) -> Iterator[str]:
    low, high = traits.oxidation_states
    limits = domain.oxidation_states
    if not traits.has_oxidation_states:
        if domain.always_oxidation_states:
            yield "no oxidation states, which all training crystals had"
        return
    if not (_within(low, limits) and _within(high, limits)):
        had = "none" if limits == (0.0, 0.0) else _text(limits)
        yield f"oxidation states {_text((low, high))}, training had {had}"


def _within(value: float, limits: Range) -> bool:
    low, high = limits
    return low - _TOLERANCE * abs(low) <= value <= high + _TOLERANCE * abs(high)


def _text(limits: Range) -> str:
    low, high = limits
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
