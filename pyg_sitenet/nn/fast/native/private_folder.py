"""A folder whose files only this user can have written."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def private_folder(path: Path) -> Path:
    """Make the folder if need be, for this user alone, and return it.

    Raises:
        OSError: If somebody else owns it or may write to it, or it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_folder = stat.S_ISDIR(path.lstat().st_mode)
    if not (is_folder and is_private(path) and _is_firm(path)):
        raise PermissionError(
            f"{path}: must be a folder of this user that nobody else may write to or "
            "replace; remove it"
        )
    return path


def is_private(path: Path) -> bool:
    """Whether this user owns a file or folder, no link, and no other may write to it.

    Where the system has no such owners (Windows) the user's folder is trusted.
    """
    if not hasattr(os, "getuid"):
        return True
    status = path.lstat()
    return (
        not stat.S_ISLNK(status.st_mode)
        and status.st_uid == os.getuid()
        and not status.st_mode & _WRITABLE_BY_OTHERS
    )


def _is_firm(path: Path) -> bool:
    """Whether not everybody can put another folder in the place of this one."""
    if not hasattr(os, "getuid"):
        return True
    modes = (folder.stat().st_mode for folder in path.parents)
    is_open = any(mode & stat.S_IWOTH and not mode & stat.S_ISVTX for mode in modes)
    return not is_open and path.parent.stat().st_uid == os.getuid()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
