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
    if not stat.S_ISDIR(path.lstat().st_mode) or not is_private(path):
        raise PermissionError(
            f"{path}: must be a folder of this user that nobody else may write to; "
            "remove it"
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


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
