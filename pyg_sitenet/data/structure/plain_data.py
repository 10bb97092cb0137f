"""JSON and YAML as plain data: nothing that they name is looked for."""

from __future__ import annotations

from typing import Any

from pyg_sitenet.data.structure.plain_json import DuplicateKeyError, plain_json
from pyg_sitenet.errors import StructureError
from pyg_sitenet.plain_yaml import TooLargeError, plain_value

_MAX_DEPTH = 100
_MAX_VALUES = 10_000_000


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
