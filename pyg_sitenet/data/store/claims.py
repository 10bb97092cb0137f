"""File locks by which processes divide the shards of one folder."""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class Claims:
    """Numbers that this process has claimed among all that work on a folder.

    A claim ends with the process, however that ends. Where the system or the disk has
    no such locks every claim is granted: work is done twice, and nothing is lost.

    Args:
        path: The file that claims are made on; it stays empty.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b")

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def claim(self, number: int) -> bool:
        """Claim a number; False if another process has it."""
        if sys.platform == "win32":
            return True
        # A lock on the byte at this place of the file. POSIX gives it back when the
        # process ends, even by SIGKILL, and forked workers do not inherit it (which
        # they would with flock, and hold it after their parent's death).
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # no locks on this disk
            return True
        return True

    def release(self, number: int) -> None:
        """Give a number back."""
        if sys.platform != "win32":
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
