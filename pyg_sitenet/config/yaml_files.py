"""Settings from presets, YAML files and ``--set``, and back to YAML."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pyg_sitenet.brief import brief, brief_line
from pyg_sitenet.config.settings import Config
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.plain_yaml import plain_value

PRESETS = ("paper", "default")
MAX_BYTES = 256 * 1024
"""Of a file of settings; a complete one takes 3 kB."""
MAX_DEPTH = 20
"""Values within values; settings have four."""
MAX_VALUES = 20_000
"""Values in all; a classification may list ten thousand labels."""

_FORMS = {
    "tuple_type": "expected a list such as [a, b]",
    "dict_type": "expected names with values such as {a: b}",
}
# Settings by the names of targets: given anew they are replaced, not merged.
_BY_TARGET = ("units", "classes", "target_transform")


def load_preset(name: str) -> Config:
    """Return the configuration of a preset.

    Raises:
        ConfigError: If there is no preset of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {brief(name)}{_nearest(name, PRESETS)}")
    text = resources.files("pyg_sitenet.presets").joinpath(f"{name}.yaml").read_text()
    return make_config(parse_yaml(text, name), origin=f"preset {name}")


def load_config(path: str | Path) -> Config:
    """Read a YAML configuration; what it does not set keeps its default.

    A key ``preset`` names the preset it starts from.

    Raises:
        ConfigError: If the file is missing, not YAML, or holds an unknown key.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected data:, model: and training: sections")
    preset = values.pop("preset", None)
    base = {} if preset is None else load_preset(preset).model_dump()
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
                f"got {brief(setting)}"
            )
        value = parse_yaml(text, f"--set {brief_line(setting)}")
        values = _merge(values, {section: {name: value}})
    return make_config(values, origin="--set")


def parse_yaml(text: str, origin: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Return the value of a YAML text.

    Args:
        text: The YAML.
        origin: Where it comes from, for messages.

    Raises:
        ConfigError: If it is no YAML, or larger or deeper than settings are.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{origin}: {_too_long()}")
    try:
        return plain_value(text, max_depth=MAX_DEPTH, max_values=MAX_VALUES)
    except (yaml.YAMLError, ValueError, LookupError, OverflowError) as error:
        raise ConfigError(f"{origin}: {brief_line(error)}") from error


def read_yaml(path: str | Path) -> Any:  # noqa: ANN401
    """Return the value of a YAML file, as :func:`parse_yaml`."""
    origin = f"{path}: cannot be read as YAML"
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{origin}: {_too_long()}")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{origin}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{origin}: {brief_line(error)}") from error
    return parse_yaml(text, origin)


def make_config(values: Mapping[str, Any], *, origin: str) -> Config:
    """Validate nested settings; errors name the key, the value and the nearest key."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error)}") from error


def dump_config(config: Config) -> str:
    """Return the complete configuration as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _too_long() -> str:
    return f"settings take at most {MAX_BYTES:,} bytes, these are more; shorten them"


def _explain(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    *parents, key = [str(part) for part in problem["loc"]] or [""]
    name = ".".join([*parents, key])
    if problem["type"] != "extra_forbidden":
        reason = _FORMS.get(problem["type"]) or brief_line(problem["msg"])
        return f"{brief_line(name)}: {reason}, got {brief(problem['input'])}"
    return f"unknown key {brief(name)}{_nearest(key, _keys_of(parents))}"


def _keys_of(parents: Sequence[str]) -> list[str]:
    settings: Any = Config()
    for parent in parents:
        settings = getattr(settings, parent)
    return list(type(settings).model_fields)


def _nearest(name: object, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(str(name)[:100], choices, n=1, cutoff=0)
    return f", did you mean {close[0]!r}? (known: {', '.join(choices)})"


def _merge(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in new.items():
        old = merged.get(key)
        if key not in _BY_TARGET and isinstance(old, dict) and isinstance(value, dict):
            value = _merge(old, value)
        merged[key] = value
    return merged
