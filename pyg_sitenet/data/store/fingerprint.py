"""Hashes that name an encoded data set by its settings, code and libraries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pyg_sitenet.version import GRAPH_LIBRARIES, code_hash, library_versions

FORMAT_VERSION = 4  # targets in double precision, cells read in one place

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
    "data/transforms",
)


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
