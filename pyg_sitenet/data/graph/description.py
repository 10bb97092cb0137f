"""Descriptions of functions that tell two with different arguments apart."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")


def describe(value: Any) -> str:  # noqa: ANN401
    """Describe a transform by its class, whose code may change, and all attributes.

    Most transforms have a ``repr`` without their arguments, which two of them with
    different arguments would share.
    """
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(describe, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Tensor):
        return f"tensor({value.tolist()})"
    attributes = getattr(value, "__dict__", None)
    if callable(value) and attributes and not isinstance(value, type):
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}{_edition(kind)}"
        return f"{name}({describe(attributes)})"
    if callable(value) and not isinstance(value, type):
        return f"{type(value).__module__}.{value!r}"
    return repr(value)


def _edition(kind: type) -> str:
    """Return a mark of the code of a class that is not of this package."""
    if kind.__module__.partition(".")[0] == "pyg_sitenet":
        return ""
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):  # of an interactive session, or compiled
        return ""
    return f"@{hashlib.sha256(source.encode()).hexdigest()[:12]}"


def is_telling(description: str) -> bool:
    """Tell whether a description means the same in another process.

    One with an address does not: there another function may lie.
    """
    return _ADDRESS.search(description) is None
