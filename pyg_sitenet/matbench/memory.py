"""The largest memory that a part of a program takes."""

from __future__ import annotations

import sys
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


def reset_peak_memory() -> bool:
    """Begin anew to watch for the peak; ``False`` where the system cannot."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def peak_memory() -> float | None:
    """Return the peak of the resident memory in MB (10^6 bytes).

    That is since :func:`reset_peak_memory` on Linux, elsewhere since the program
    started; ``None`` where the system does not tell.
    """
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return _peak_of_program()


def _peak_of_program() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
