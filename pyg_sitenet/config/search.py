"""The ranges that settings are searched in, written once, beside the settings."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class IntRange:
    """Whole numbers, ends included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class LogRange:
    """Numbers, drawn evenly by their logarithm."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class LayersRange:
    """Hidden layers of one width: how many, and how wide."""

    layers: IntRange
    width: IntRange

    def __str__(self) -> str:
        return f"{self.layers} layers of {self.width}"


@dataclass(frozen=True, slots=True)
class Choices:
    """One of these."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        return " | ".join(self.values)


Searched = IntRange | LogRange | LayersRange | Choices


def search_space(settings: type[BaseModel], prefix: str = "") -> dict[str, Searched]:
    """Return the searched fields of settings and of the sections in them.

    Args:
        settings: A model such as :class:`~pyg_sitenet.config.Config`.
        prefix: What the names start with.

    Returns:
        Range by name, such as ``model.heads``.

    Example:
        >>> from pyg_sitenet.config import Config
        >>> str(search_space(Config)["model.heads"])
        '1 to 8'
    """
    space: dict[str, Searched] = {}
    for name, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            space |= search_space(kind, f"{prefix}{name}.")
        ranges = [part for part in field.metadata if isinstance(part, Searched)]
        space |= {f"{prefix}{name}": searched for searched in ranges}
    return space
