"""With what a run was made: versions, machine, and the state of the source code."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.devices import describe_device
from pyg_sitenet.training.run.run_folder import RunFolder
from pyg_sitenet.version import PACKAGE, library_versions


def note_environment(
    folder: RunFolder, num_processes: int, device: torch.device
) -> None:
    """Add a start of the run, the first or a resumed one, to ``environment.json``."""
    starts = _read(folder.environment)
    starts.append(
        {
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": library_versions(),
            "platform": platform.platform(),
            "devices": num_processes,
            "device": describe_device(device),
            "source": source_state(PACKAGE),
        }
    )
    text = json.dumps({"starts": starts}, indent=2)
    write_text(folder.environment, text + "\n")


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


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the earlier starts; a file that a crash cut short is begun anew."""
    try:
        starts: list[dict[str, Any]] = json.loads(path.read_text())["starts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return starts
