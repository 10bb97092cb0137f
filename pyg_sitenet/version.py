"""Versions: of this package, of its code, and of the libraries that decide a result."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

__version__ = "0.1.0"

PACKAGE = Path(__file__).parent
"""Folder of the installed package."""

GRAPH_LIBRARIES = ("ase", "numpy", "pymatgen", "scipy", "spglib")
"""Libraries that decide which graph a crystal becomes."""

_RESULT_LIBRARIES = (*GRAPH_LIBRARIES, "torch", "torch-geometric", "lightning")
_CODE = (".c", ".csv", ".h", ".py")


def library_versions(
    names: Iterable[str] = ("pyg-sitenet", *_RESULT_LIBRARIES),
) -> dict[str, str]:
    """Return the versions of Python and of those libraries that are installed."""
    versions = {name: _version(name) for name in names}
    installed = {name: version for name, version in versions.items() if version}
    return {"python": platform.python_version()} | installed


@cache
def code_hash(*folders: str) -> str:
    """Return a hash of the package's code, or of some of its folders.

    Args:
        folders: Folders and files below the package, such as ``"data/graph"``; none
            for all of it.

    Raises:
        ValueError: If one of them holds no code.
    """
    digest = hashlib.sha256()
    for path in sorted(path for name in folders or [""] for path in _code_below(name)):
        name = path.relative_to(PACKAGE).as_posix()
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _code_below(folder: str) -> list[Path]:
    root = PACKAGE / folder
    paths = [root] if root.is_file() else root.rglob("*.*")
    code = [path for path in paths if path.suffix in _CODE]
    if not code:
        # A folder that was renamed would otherwise drop out of the hash in silence.
        raise ValueError(f"expected code in the package's {folder!r}, found none")
    return code


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
