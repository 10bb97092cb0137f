"""What a model file keeps to tell how unlike its training data a crystal is."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pyg_sitenet.novelty.expected import Expected
from pyg_sitenet.novelty.features import GEOMETRY

MOST_HELD_OUT = 5000
"""Held-out crystals whose numbers are kept."""
VECTOR_BYTES = 560_000
"""Of the vectors that are kept."""

Count = Annotated[int, Field(ge=0, le=10**9)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Novelty(BaseModel):
    """What a model file keeps to tell how unlike its training data a crystal is.

    Attributes:
        num_crystals: In the training part.
        elements: In how many of them an element occurs, by atomic number.
        numbers: How many of them have so many elements.
        kinds: How many of them consist of such kinds of elements.
        pairs: Pairs of elements that occur together in one, as 1000 times the first
            atomic number and the second.
        geometry: Mean and standard deviation of each number of their geometry.
        width: Of a vector.
        vectors: Of a sample of them, in half precision, as base64.
        values: Of the same crystals the values of each target that is a number, in
            units of its standard deviation, as ``vectors``.
        bonds: How strong the bonds of which elements are; None of an older file.
        packing: How large the volume of which elements is, as the logarithm of its
            ratio to that of the atoms; None of an older file.
        spreads: Of an ensemble: median over held-out crystals of its members' standard
            deviation, of each output.
        reach: How much wider an interval is where a crystal has what no training
            crystal has: an element, so many elements, or such kinds of them.
        medians: Median of ordinary crystals, in each way.
        limits: The 99th percentile of ordinary crystals, in each way.
        held_out: How unlike ordinary crystals are, ascending: those held out, and
            training crystals, each compared with the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_crystals: Count
    elements: dict[Count, Count]
    numbers: dict[Count, Count]
    kinds: dict[str, Count]
    pairs: tuple[Count, ...] = Field((), max_length=7000)
    geometry: dict[str, tuple[Number, Number]]
    width: Count
    vectors: str = Field("", max_length=2 * VECTOR_BYTES)
    values: str = Field("", max_length=VECTOR_BYTES)
    bonds: Expected | None = None
    packing: Expected | None = None
    spreads: tuple[Annotated[Number, Field(ge=0)], ...] = Field((), max_length=10_000)
    reach: Annotated[Number, Field(ge=1, le=1000)] = 1.0
    medians: dict[str, Number] = {}
    limits: dict[str, Number] = {}
    held_out: tuple[Number, ...] = Field((), max_length=MOST_HELD_OUT)

    @model_validator(mode="after")
    def _check(self) -> Novelty:
        number = _numbers("vectors", self.vectors)
        if number % max(1, self.width):
            raise ValueError("novelty.vectors must be whole vectors of novelty.width")
        if _numbers("values", self.values) % max(1, number // max(1, self.width)):
            raise ValueError("novelty.values must be as many as novelty.vectors")
        if set(self.geometry) != set(GEOMETRY):
            raise ValueError(f"novelty.geometry must have {', '.join(GEOMETRY)}")
        ways = {"element", "number", "kinds", "pairs", *self.geometric, *self.expected}
        others = {"vector": number, "spread": self.spreads, "values": self.values}
        ways |= {name for name, content in others.items() if content}
        stated = self.medians.keys() & self.limits.keys()
        if (self.medians or self.held_out) and not ways <= stated:
            raise ValueError(
                f"novelty must have the limits of {', '.join(sorted(ways))}"
            )
        if list(self.held_out) != sorted(self.held_out):
            raise ValueError("novelty.held_out must rise")
        return self

    @property
    def geometric(self) -> tuple[str, ...]:
        """In which ways geometries are compared, whatever the elements."""
        if self.bonds is None:
            return GEOMETRY
        return GEOMETRY[:1] if self.packing is None else ()

    @property
    def expected(self) -> dict[str, Expected]:
        """What is expected of the numbers of a crystal, by their names."""
        numbers = {"bonds": self.bonds, "packing": self.packing}
        return {name: own for name, own in numbers.items() if own is not None}


def _numbers(name: str, text: str) -> int:
    """Return how many numbers in half precision a text holds."""
    try:
        size = len(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"novelty.{name} must be base64: {error}") from error
    if size % 2:
        raise ValueError(f"novelty.{name} must be whole numbers of two bytes")
    return size // 2
