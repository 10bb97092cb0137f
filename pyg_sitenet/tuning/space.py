"""The searched settings as Ray Tune draws them, and back to settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune

from pyg_sitenet.config import Config, make_config, search_space
from pyg_sitenet.config.search import IntRange, LayersRange, LogRange, Searched
from pyg_sitenet.errors import ConfigError

_LAYERS, _WIDTH = "layers", "width"


def ray_space(names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what Ray draws from, by the names of :func:`search_space`.

    Hidden layers are drawn as two numbers, ``<name>.layers`` and ``<name>.width``.

    Args:
        names: Which settings are searched. (default: all that have a range)

    Raises:
        ConfigError: If a name has no range.
    """
    ranges = search_space(Config)
    unknown = [name for name in names or () if name not in ranges]
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)}: has no range to search in "
            f"(searched: {', '.join(ranges)})"
        )
    space: dict[str, Any] = {}
    for name in names or ranges:
        space |= _draw(name, ranges[name])
    return space


def apply_draw(config: Config, drawn: Mapping[str, Any]) -> Config:
    """Return the settings with what a trial has drawn."""
    values = config.model_dump()
    for name in {
        drawn_name.removesuffix(f".{_LAYERS}").removesuffix(f".{_WIDTH}")
        for drawn_name in drawn
    }:
        section, _, key = name.partition(".")
        value = drawn.get(name)
        if name not in drawn:
            value = (drawn[f"{name}.{_WIDTH}"],) * drawn[f"{name}.{_LAYERS}"]
        values[section][key] = value
    return make_config(values, origin="trial")


def _draw(name: str, searched: Searched) -> dict[str, Any]:
    if isinstance(searched, LayersRange):
        layers = _draw(f"{name}.{_LAYERS}", searched.layers)
        return layers | _draw(f"{name}.{_WIDTH}", searched.width)
    if isinstance(searched, IntRange):
        return {name: tune.randint(searched.low, searched.high + 1)}
    if isinstance(searched, LogRange):
        return {name: tune.loguniform(searched.low, searched.high)}
    return {name: tune.choice(list(searched.values))}
