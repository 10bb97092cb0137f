"""How often training crystals have the elements of a crystal, alone and together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pyg_sitenet.novelty.features import Features, kinds_of, pairs_of


@dataclass(frozen=True)
class Counts:
    """How many training crystals have what.

    Attributes:
        num_crystals: All of them.
        elements: An element, by atomic number.
        numbers: So many elements.
        kinds: Such kinds of elements.
        pairs: A pair of elements, as :func:`pairs_of` writes it.
    """

    num_crystals: int = 0
    elements: Mapping[int, int] = field(default_factory=dict)
    numbers: Mapping[int, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, training: Iterable[Features]) -> Counts:
        """Count training crystals."""
        total = 0
        elements, numbers = Counter[int](), Counter[int]()
        kinds, pairs = Counter[str](), Counter[int]()
        for crystal in training:
            total += 1
            elements.update(crystal.elements)
            numbers[len(crystal.elements)] += 1
            kinds[kinds_of(crystal.elements)] += 1
            pairs.update(pairs_of(crystal.elements))
        return cls(total, elements, numbers, kinds, pairs)

    def chemistry(self, elements: tuple[int, ...], own: int = 0) -> dict[str, float]:
        """Return how rare the chemistry of a crystal is, without a scale.

        Args:
            elements: Its atomic numbers.
            own: 1 of a training crystal, which is compared with the others.
        """
        rarest = min(self.elements.get(z, 0) for z in elements)
        number = self.numbers.get(len(elements), 0)
        kinds = self.kinds.get(kinds_of(elements), 0)
        pairs = pairs_of(elements)
        new = sum(self.pairs.get(pair, 0) <= own for pair in pairs)
        return {
            "element": self._rarity(rarest - own),
            "number": self._rarity(number - own),
            "kinds": self._rarity(kinds - own),
            "pairs": new / len(pairs) if pairs else 0.0,
        }

    def has_all(self, elements: tuple[int, ...]) -> bool:
        """Tell whether elements, their number and their kinds occur in training."""
        return (
            all(self.elements.get(z) for z in elements)
            and bool(self.numbers.get(len(elements)))
            and bool(self.kinds.get(kinds_of(elements)))
        )

    def _rarity(self, count: int) -> float:
        return float(np.log((self.num_crystals + 1) / (count + 0.5)))
