"""JSON from anybody: a key that is there twice in an object is an error.

One of its two values would be lost, and which of them was meant nobody can tell.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


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
