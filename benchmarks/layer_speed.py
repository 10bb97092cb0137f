"""Time and memory per pair of the whole model: dense, message passing, fused.

Run from the repository's root, on as quiet a machine as there is::

    python benchmarks/layer_speed.py --pairs 60000

Random crystals of low symmetry (nothing to merge), paper preset, float32. The ways are
measured by turns in one process; the smallest of the repeats counts (CPU time where
there is one thread, so that what other processes do meanwhile counts less). Memory is
what one training step adds to the largest resident set of a fresh process (Linux).
Where torch-scatter is installed, both paths run with it and without.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch_geometric.typing
from dense_reference import dense_forward
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sitenet import SiteNet
from pyg_sitenet.nn.fast.native.library import load_library

ATOMS = 500
SITES = 20
SWITCH = "PYG_SITENET_NATIVE"
HAS_SCATTER = torch_geometric.typing.WITH_TORCH_SCATTER


def random_batch(num_pairs: int) -> Batch:
    """Return crystals of ``SITES`` sites and ``ATOMS`` atoms, no two pairs equal."""
    receiver, atom = torch.meshgrid(
        torch.arange(SITES), torch.arange(ATOMS), indexing="ij"
    )
    edge_index = torch.stack([atom * SITES // ATOMS, receiver]).flatten(1)
    crystals = []
    for _ in range(max(1, num_pairs // edge_index.size(1))):
        distance = 20 * torch.rand(edge_index.size(1), 1)
        edge_attr = torch.cat([distance, 3 - distance.log1p()], dim=1)
        crystals.append(
            Data(
                z=torch.randint(1, 90, (SITES,)),
                x=50 * torch.rand(SITES, 9),
                edge_index=edge_index,
                edge_attr=edge_attr,
            )
        )
    return Batch.from_data_list(crystals)


def candidates(model: SiteNet, batch: Batch) -> dict[str, Callable[[], Tensor]]:
    """Return the ways to the same outputs."""

    def run(*, fused: bool, native: bool = True, scatter: bool = False) -> Tensor:
        torch_geometric.typing.WITH_TORCH_SCATTER = scatter
        model.fused = fused
        if os.environ.get(SWITCH) != str(int(native)):
            os.environ[SWITCH] = str(int(native))
            load_library.cache_clear()
        return model.raw_output(batch)

    ways = {
        "dense": lambda: dense_forward(model, batch),
        "message passing": lambda: run(fused=False),
        "fused, eager": lambda: run(fused=True, native=False),
        "fused, compiled": lambda: run(fused=True),
    }
    if HAS_SCATTER:
        ways["message passing, torch-scatter"] = lambda: run(fused=False, scatter=True)
        ways["fused, compiled, torch-scatter"] = lambda: run(fused=True, scatter=True)
    return ways


def floor_per_pair() -> str:
    """Say what matrix products and exponentials alone cost on this machine."""
    rows, width, depth = 512, 303, 48
    a, b, out = torch.rand(rows, depth), torch.rand(depth, width), torch.empty(0)
    products = min(_seconds(lambda: torch.mm(a, b, out=out)) for _ in range(200))
    exponentials = min(_seconds(lambda: torch.exp(out)) for _ in range(200))
    rate = 2e-9 * rows * width * depth / products
    return (
        f"[512, 48] x [48, 303]: {rate:.0f} Gflop/s, {1e6 * products / rows:.2f} us a "
        f"row; 303 exponentials: {1e6 * exponentials / rows:.2f} us"
    )


def time_per_pair(num_pairs: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Return microseconds a pair, forward and forward with backward, of each."""
    torch.manual_seed(0)
    batch = random_batch(num_pairs)
    best: dict[str, tuple[float, float]] = {}
    ways = candidates(SiteNet.from_preset("paper"), batch)
    for _ in range(repeats):
        for name, way in ways.items():
            with torch.no_grad():
                forward = _seconds(way)
            both = _seconds(lambda way=way: way().sum().backward())
            seconds = (forward, both)
            best[name] = tuple(map(min, best.get(name, seconds), seconds))
    scale = 1e6 / batch.num_edges
    return {name: (f * scale, b * scale) for name, (f, b) in best.items()}


def memory_of_step(name: str, num_pairs: int) -> float:
    """Return by how many MB a training step makes a fresh process grow."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_grow, (name, num_pairs))


def _grow(name: str, num_pairs: int) -> float:
    torch.manual_seed(0)
    model = SiteNet.from_preset("paper")
    candidates(model, random_batch(1))[name]().sum().backward()  # loads libraries
    batch = random_batch(num_pairs)
    before = _status("VmRSS")
    candidates(model, batch)[name]().sum().backward()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    """Return a field of this process' memory in kB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise OSError(f"no {field} in /proc/self/status")


def _seconds(run: Callable[[], object]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory-pairs", type=int, default=600_000)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    torch.set_num_threads(1)
    print(floor_per_pair())
    for threads in options.threads:
        torch.set_num_threads(threads)
        print(f"\n{options.pairs} pairs, {threads} threads: us a pair (times faster)")
        times = time_per_pair(options.pairs, options.repeats)
        for name, (forward, both) in times.items():
            ratios = [
                d / t for d, t in zip(times["dense"], (forward, both), strict=True)
            ]
            print(
                f"{name:30s} forward {forward:6.2f} ({ratios[0]:4.1f}x)"
                f"   with backward {both:6.2f} ({ratios[1]:4.1f}x)"
            )
    print("\nMemory of a training step: MB, kB a pair")
    for name in times:
        pairs = options.memory_pairs if name.startswith("fused") else options.pairs
        grown = memory_of_step(name, pairs)
        print(
            f"{name:30s} {pairs:8d} pairs {grown:8.0f} MB {1024 * grown / pairs:6.2f}"
        )


if __name__ == "__main__":
    main()
