"""JSON and YAML as plain data: nothing that they name is looked for."""

from __future__ import annotations

import json
from typing import Any

import yaml

from pyg_sitenet.errors import StructureError

# The fast loader of YAML ends the process on documents nested deeper than its stack.
_MAX_DEPTH = 100
# What the repeats of a document may add up to: those of a hostile one grow without end.
_MAX_VALUES = 10_000_000

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without its library in C
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]


def json_values(text: str, origin: str) -> dict[str, Any]:
    """Return the object that a JSON document is.

    Raises:
        StructureError: If it is something else.
    """
    return _as_object(json.loads(text), origin)


def yaml_values(text: str, origin: str) -> dict[str, Any]:
    """Return the mapping that a YAML document is.

    Raises:
        StructureError: If it is something else, or made to harm.
    """
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<"
        if depth > _MAX_DEPTH or is_merge:
            raise _hostile(origin)
    values = yaml.load(text, _Loader)  # nosec B506  # the safe loader
    if _size(values, {}) > _MAX_VALUES:
        raise _hostile(origin)
    return _as_object(values, origin)


def _as_object(values: object, origin: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise StructureError(f"{origin}: not the JSON or YAML of one structure")
    return values


def _size(value: object, sizes: dict[int, int]) -> int:
    """Return how many values a document has when its repeats are written out."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in sizes:
        sizes[id(value)] = _MAX_VALUES + 1  # of one that holds itself
        parts = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(value)]


def _hostile(origin: str) -> StructureError:
    return StructureError(
        f"{origin}: YAML nested or repeated beyond what a structure needs; convert it"
        " to CIF"
    )
