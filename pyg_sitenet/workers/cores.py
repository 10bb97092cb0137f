"""The cores that this process may use."""

from __future__ import annotations

import os
from numbers import Integral

from pyg_sitenet.errors import ConfigError


def num_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def num_processes(workers: int) -> int:
    """Return how many processes are meant, where 0 means one per core.

    Raises:
        ConfigError: If it is no whole number from 0 on.
    """
    if not isinstance(workers, Integral) or workers < 0:
        raise ConfigError(
            "`workers` must be a whole number of processes, 0 for one per core, got "
            f"{workers!r}"
        )
    return int(workers) or num_cores()
