"""The name of an encoded data set, which no other settings share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from pyg_sitenet.version import GRAPH_LIBRARIES, code_hash, library_versions

FORMAT_VERSION = 2

# What makes a graph of a crystal. Readers, stores and workers are left out: a change
# there must not make stored graphs stale. Readers that come to understand a file
# otherwise change FORMAT_VERSION.
_CODE = (
    "data/elements.csv",
    "data/elements.py",
    "data/geometry",
    "data/structure",
    "data/disorder",
    "data/graph",
    "transforms",
)
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a short hash of settings and of the code and libraries that make graphs.

    Args:
        settings: Names and values; anything with a telling ``repr``.
    """
    digest = hashlib.sha256(f"format {FORMAT_VERSION}\n".encode())
    for name, value in sorted(settings.items()):
        digest.update(f"{name}={value!r}\n".encode())
    digest.update(repr(graph_versions()).encode())
    return digest.hexdigest()[:16]


def graph_versions() -> dict[str, str]:
    """Return what decides about graphs beside settings: our code and libraries."""
    libraries = library_versions(GRAPH_LIBRARIES)
    libraries.pop("python")  # its own arithmetic is the same in every version
    return {"code": code_hash(*_CODE)[:16]} | libraries


def describe(function: Callable[..., Any] | None) -> str:
    """Describe a transform by its class and all of its attributes.

    Most transforms have a ``repr`` without their arguments, which two of them with
    different arguments would share.
    """
    return _describe(function)


def is_telling(description: str) -> bool:
    """Tell whether a description means the same in another process."""
    return _ADDRESS.search(description) is None


def _describe(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_describe, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Tensor):
        return f"tensor({value.tolist()})"
    attributes = getattr(value, "__dict__", None)
    if callable(value) and attributes and not isinstance(value, type):
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__}({_describe(attributes)})"
    if callable(value) and not isinstance(value, type):
        return f"{type(value).__module__}.{value!r}"
    return repr(value)
