"""YAML from anybody: plain values of bounded size, and no error but ``ConfigError``.

Settings need numbers, texts, lists and mappings. Aliases may repeat a value, as long as
all that they stand for stays small; a date is a text, and so are yes, no, on and off,
which may be the labels of classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pyg_sitenet.brief import brief_line
from pyg_sitenet.errors import ConfigError

MAX_BYTES = 256 * 1024
"""Of a file of settings; a complete one takes 3 kB."""
MAX_DEPTH = 20
"""Values within values; settings have four."""
MAX_VALUES = 20_000
"""Values in all, those of an alias counted wherever it stands."""
MAX_DIGITS = 100
"""Letters of a number: PyYAML takes time with the square of their number."""

_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


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
        return yaml.load(text, _PlainLoader)  # nosec B506  # a safe loader
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


def _too_long() -> str:
    return f"settings take at most {MAX_BYTES:,} bytes, these are more; shorten them"


class _PlainLoader(yaml.SafeLoader):
    """Counts while it reads, so that nothing large is ever built."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._number = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - of PyYAML
        """Return the next node, if it is neither too deep nor too large."""
        self._depth, self._number = self._depth + 1, self._number + 1
        if self._depth > MAX_DEPTH:
            raise _refusal(f"values lie in each other at most {MAX_DEPTH} deep", self)
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not is_alias:
            sizes = (self._sizes[id(child)] for child in _children(node))
            self._sizes[id(node)] = 1 + sum(sizes)
        elif id(node) not in self._sizes:
            raise _refusal("a value must not contain itself", self)
        if max(self._sizes[id(node)], self._number) > MAX_VALUES:
            raise _refusal(f"settings hold at most {MAX_VALUES:,} values", self)
        return node

    def construct_scalar(self, node: Any) -> Any:  # noqa: ANN401
        """Return the text of a scalar, if a number has few enough digits."""
        is_number = node.tag.endswith((":int", ":float"))
        if is_number and len(node.value) > MAX_DIGITS:
            raise _refusal(f"a number has at most {MAX_DIGITS} digits", self)
        return super().construct_scalar(node)


def _children(node: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refusal(reason: str, loader: _PlainLoader) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=reason, problem_mark=loader.get_mark())


def _texts(letter: str) -> tuple[str, ...]:
    """Return the tags of what is a text although YAML 1.1 has another type for it."""
    return (":timestamp", ":bool") if letter in "yYnNoO" else (":timestamp",)


def _keep_plain_values() -> None:
    """Let the loader know no other types; dates and ``yes`` or ``no`` are texts."""
    tags = {f"tag:yaml.org,2002:{tag}" for tag in _TAGS} | {None}
    _PlainLoader.yaml_constructors = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag in tags
    }
    _PlainLoader.yaml_implicit_resolvers = {
        letter: [rule for rule in rules if not rule[0].endswith(_texts(letter))]
        for letter, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_keep_plain_values()
