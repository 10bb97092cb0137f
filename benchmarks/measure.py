"""Time by turns in one process, memory in a fresh one."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch

PROCESS = Path("/proc/self")
MB = 1024  # kB


class Cost(NamedTuple):
    """What one call cost a process that had done nothing alike at that size."""

    seconds: float
    growth: float  # MB that the largest resident set grew by
    peak: float  # MB, the largest resident set itself


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes.

    CPU time where there is one thread, so that what other processes do meanwhile counts
    less.
    """
    is_alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    clock = time.process_time if is_alone else time.perf_counter
    synchronise()
    start = clock()
    run()
    synchronise()
    return clock() - start


def synchronise() -> None:
    """Wait for a GPU, if there is one: its work goes on after a call returns."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def by_turns(
    ways: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
    """Return the shortest time of each way; what disturbs one round disturbs all."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            best[name] = min(best[name], seconds(way))
    return best


def cost_alone(
    prepare: Callable[..., Callable[[], object]], *arguments: object
) -> Cost:
    """Call what ``prepare(*arguments)`` returns in a fresh process (Linux).

    ``prepare`` must be importable, and load whatever libraries load on first use.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        threads = torch.get_num_threads()
        return pool.submit(_cost, threads, prepare, *arguments).result()


def available_memory() -> float:
    """Return how many MB the machine has free."""
    return _field(Path("/proc/meminfo"), "MemAvailable") / MB


def _cost(
    threads: int, prepare: Callable[..., Callable[[], object]], *arguments: object
) -> Cost:
    torch.set_num_threads(threads)
    step = prepare(*arguments)
    (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    before = _field(PROCESS / "status", "VmRSS")
    duration = seconds(step)
    peak = _field(PROCESS / "status", "VmHWM")
    return Cost(duration, (peak - before) / MB, peak / MB)


def _field(file: Path, name: str) -> int:
    """Return a field in kB."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise OSError(f"no {name} in {file}")
