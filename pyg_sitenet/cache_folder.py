"""Where data are kept that can be made or downloaded again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyg_sitenet.errors import ConfigError

CACHE_VARIABLE = "PYG_SITENET_CACHE"


def cache_folder(path: str | Path | None = None) -> Path:
    """Return where featurised data sets are kept.

    That is ``path``, else the environment variable ``PYG_SITENET_CACHE``, else
    :func:`user_cache_folder`.

    Raises:
        ConfigError: If nothing is given and the user has no home folder.
    """
    if path is not None:
        return Path(path)
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE])
    return user_cache_folder()


def user_cache_folder() -> Path:
    """Return our part of the user's cache folder, always an absolute path.

    A variable that is empty or holds a relative path counts as not set, as the XDG
    standard asks: the current folder is where other people's data lie.

    Raises:
        ConfigError: If the user has no home folder.
    """
    if sys.platform == "win32":
        base = _absolute("LOCALAPPDATA") or _home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = _home() / "Library" / "Caches"
    else:
        base = _absolute("XDG_CACHE_HOME") or _home() / ".cache"
    return base / "pyg_sitenet"


def _absolute(variable: str) -> Path | None:
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None


def _home() -> Path:
    try:
        home = Path.home()
    except (RuntimeError, KeyError):  # HOME is unset, and the user has no entry
        home = Path()
    if not home.is_absolute():
        raise ConfigError(
            "no home folder to keep the cache in, HOME must be an absolute path, got "
            f"{os.environ.get('HOME')!r}; set HOME or {CACHE_VARIABLE}"
        )
    return home
