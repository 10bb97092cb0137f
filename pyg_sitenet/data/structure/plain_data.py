"""JSON and YAML from anybody, as plain data: nothing that they name is looked for.

A key that is there twice in an object is an error. One of its two values would be lost,
and which of them was meant nobody can tell.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from pyg_sitenet.errors import StructureError
from pyg_sitenet.plain_yaml import TooLargeError, plain_value

# Of YAML, more than any structure needs.
_MAX_DEPTH = 100
_MAX_VALUES = 10_000_000


class DuplicateKeyError(ValueError):
    """An object that gives a key twice.

    Args:
        key: Which.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"gives {key!r} twice; remove the one that is not meant")


def plain_json(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the value of a JSON text.

    Raises:
        DuplicateKeyError: If an object gives a key twice.
        ValueError: If it is not JSON.
        RecursionError: If it is nested too deeply.
    """
    return decoder.decode(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise DuplicateKeyError(twice)
    return values


decoder = json.JSONDecoder(object_pairs_hook=_unique_keys)


def json_values(text: str, origin: str) -> dict[str, Any]:
    """Return the object that a JSON document is.

    Raises:
        StructureError: If it is something else, or gives a key twice.
    """
    try:
        return _as_object(plain_json(text), origin)
    except DuplicateKeyError as error:
        raise StructureError(f"{origin}: {error}") from error


def yaml_values(text: str, origin: str) -> dict[str, Any]:
    """Return the mapping that a YAML document is.

    Raises:
        StructureError: If it is something else, or made to harm.
    """
    try:
        values = plain_value(text, max_depth=_MAX_DEPTH, max_values=_MAX_VALUES)
    except TooLargeError as error:
        raise StructureError(
            f"{origin}: YAML beyond what a structure needs ({error.problem}); convert"
            " it to CIF"
        ) from error
    return _as_object(values, origin)


def _as_object(values: object, origin: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise StructureError(f"{origin}: not the JSON or YAML of one structure")
    return values
