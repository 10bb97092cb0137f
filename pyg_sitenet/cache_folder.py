"""Where data are kept that can be made or downloaded again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "PYG_SITENET_CACHE"


def cache_folder(path: str | Path | None = None) -> Path:
    """Return where featurised data sets are kept.

    That is ``path``, else the environment variable ``PYG_SITENET_CACHE``, else the
    user's cache folder of the operating system.
    """
    if path is not None:
        return Path(path)
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE])
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "pyg_sitenet"
