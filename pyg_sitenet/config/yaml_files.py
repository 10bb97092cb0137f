"""Settings from presets, YAML files and ``--set``, and back to YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pyg_sitenet.config.settings import Config
from pyg_sitenet.errors import ConfigError

PRESETS = ("paper", "default")

# Settings by the names of targets: given anew they are replaced, not merged.
_BY_TARGET = ("units", "classes", "target_transform")


def load_preset(name: str) -> Config:
    """Return the configuration of a preset.

    Raises:
        ConfigError: If there is no preset of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}{_nearest(name, PRESETS)}")
    text = resources.files("pyg_sitenet.presets").joinpath(f"{name}.yaml").read_text()
    return make_config(yaml.safe_load(text), origin=f"preset {name}")


def load_config(path: str | Path) -> Config:
    """Read a YAML configuration; what it does not set keeps its default.

    A key ``preset`` names the preset it starts from.

    Raises:
        ConfigError: If the file is missing, not YAML, or holds an unknown key.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {_line(error)}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected data:, model: and training: sections")
    preset = values.pop("preset", None)
    base = load_preset(str(preset)).model_dump() if preset is not None else {}
    return make_config(_merge(base, values), origin=str(path))


def override(config: Config, settings: Sequence[str]) -> Config:
    """Apply ``section.key=value`` settings (values are YAML) to a configuration.

    Example:
        >>> override(Config(), ["model.heads=4"]).model.heads
        4

    Raises:
        ConfigError: If a setting has no ``=``, names no key or has a wrong value.
    """
    values = config.model_dump()
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, name = key.strip().partition(".")
        if not (equals and dot):
            raise ConfigError(
                "--set expects section.key=value such as model.heads=4, "
                f"got {setting!r}"
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: {_line(error)}") from error
        values = _merge(values, {section: {name: value}})
    return make_config(values, origin="--set")


def make_config(values: Mapping[str, Any], *, origin: str) -> Config:
    """Validate nested settings; errors name the key, the value and the nearest key."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error)}") from error


def dump_config(config: Config) -> str:
    """Return the complete configuration as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _explain(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    *parents, key = [str(part) for part in problem["loc"]] or [""]
    name = ".".join([*parents, key])
    if problem["type"] != "extra_forbidden":
        return f"{name}: {problem['msg']}, got {problem['input']!r}"
    return f"unknown key {name!r}{_nearest(key, _keys_of(parents))}"


def _keys_of(parents: Sequence[str]) -> list[str]:
    settings: Any = Config()
    for parent in parents:
        settings = getattr(settings, parent)
    return list(type(settings).model_fields)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return f", did you mean {close[0]!r}? (known: {', '.join(known)})"


def _merge(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in new.items():
        old = merged.get(key)
        if key not in _BY_TARGET and isinstance(old, dict) and isinstance(value, dict):
            value = _merge(old, value)
        merged[key] = value
    return merged


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
