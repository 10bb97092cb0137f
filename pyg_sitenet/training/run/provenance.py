"""With what a run was made: versions, machine, and the state of the source code."""

from __future__ import annotations

import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from pyg_sitenet.devices import describe_device
from pyg_sitenet.version import PACKAGE, library_versions


def describe_start(num_processes: int, device: torch.device) -> dict[str, Any]:
    """Return when and on what a run is started, for its record."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": library_versions(),
        "platform": platform.platform(),
        "devices": num_processes,
        "device": describe_device(device),
        "source": source_state(PACKAGE),
    }


def source_state(folder: Path) -> dict[str, Any]:
    """Return the commit of a folder under git and whether it was changed since.

    Returns:
        ``commit`` and ``changed``; nothing without git or outside a repository.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    # A repository around an environment that the package is installed in is another's.
    if commit is None or not _git(folder, "ls-files", "__init__.py"):
        return {}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", ".")
    return {"commit": commit, "changed": bool(changed)}


def _git(folder: Path, *words: str) -> str | None:
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
