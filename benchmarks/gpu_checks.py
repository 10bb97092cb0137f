"""Whether the package is right and quick on a GPU: a table last, 1 if a check failed.

Two to four minutes on a GPU; a dry run of this script, without one, in a small size::

    python benchmarks/gpu_checks.py
    python benchmarks/gpu_checks.py --device cpu --tiny

Forms of the hidden layers: message passing (``plain``), PyTorch's operations
(``torch``) and Triton's kernels (``triton``; on the CPU in its interpreter, with
``TRITON_INTERPRET=1``). Crystals are the first of the bundled data, weights are drawn
with seed 0. Errors are relative, in the 2-norm, to message passing in double precision
on the CPU. Kernels, waits and memory are those of CUDA.
"""

from __future__ import annotations

import argparse
import copy
import csv
import itertools
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from machine import describe_machine
from measure import synchronise
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from pyg_sitenet import (
    CrystalDataset,
    MergeEquivalent,
    SiteNet,
    encode_structure,
    load_predictor,
    load_preset,
    train,
)
from pyg_sitenet.config import override
from pyg_sitenet.data import BudgetBatchSampler
from pyg_sitenet.data.batches.loader import Loading
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.devices import choose_device, describe_device
from pyg_sitenet.nn.fast.native.library import load_library
from pyg_sitenet.nn.fast.triton.available import SWITCH, can_use_triton
from pyg_sitenet.training.batches import prepare_batch

EXACT = {torch.float64: 1e-10, torch.float32: 1e-4}
SAME_PREDICTION = 1e-4
FASTER = 2.0
"""Times that Triton's kernels should gain on PyTorch's operations, by bytes."""


class Size(NamedTuple):
    """How much is computed."""

    atoms: int  # of an environment in the preset `paper`
    few: int  # crystals whose gradients are compared
    many: int  # crystals of a step
    large: int  # copies of these: 1.2 million pairs hide the launches
    steps: int
    trained: int
    loaders: tuple[int, ...]  # processes


FULL = Size(500, 6, 151, 10, 20, 96, (0, 4))
TINY = Size(12, 2, 2, 2, 1, 8, (0,))


class Row(NamedTuple):
    """A line of the table; ``passed`` is ``None`` where nothing is asked."""

    preset: str
    form: str
    check: str
    result: str
    passed: bool | None = None


def choose_form(form: str) -> None:
    """Let hidden layers be computed in a form from now on."""
    os.environ[SWITCH] = str(int(form == "triton"))
    os.environ["PYG_SITENET_NATIVE"] = "0"
    can_use_triton.cache_clear()
    load_library.cache_clear()


def forms(device: torch.device) -> list[str]:
    """Return the forms that serve on a device."""
    choose_form("triton")
    return ["plain", "torch", *(["triton"] if can_use_triton(device) else [])]


def make_model(
    preset: str, form: str, dtype: torch.dtype, device: torch.device
) -> SiteNet:
    """Return the same network each time, without what is random or changes itself."""
    torch.manual_seed(0)
    model = SiteNet.from_preset(preset).to(device, dtype).train()
    model.site_embedding.settle()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    model.fused = form != "plain"
    choose_form(form)
    return model


def move(batch: Batch, dtype: torch.dtype, device: torch.device) -> Batch:
    """Return a batch on a device, its numbers in a precision."""
    batch = copy.copy(batch)
    for key, value in batch.to_dict().items():
        if isinstance(value, Tensor) and value.is_floating_point():
            batch[key] = value.to(dtype)
    return batch.to(device)


def gradients(model: SiteNet, batch: Data) -> tuple[Tensor, Tensor]:
    """Return outputs and the gradients of all weights."""
    model.zero_grad(set_to_none=True)
    outputs = model.raw_output(batch)
    outputs.float().square().mean().backward()
    grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return outputs.detach(), torch.cat(grads)


def error(actual: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    """Return the largest relative error."""
    pairs = [
        (ours.double().cpu(), theirs.double().cpu())
        for ours, theirs in zip(actual, expected, strict=True)
    ]
    return max(((a - b).norm() / b.norm()).item() for a, b in pairs)


def graphs_of(preset: str, records: list[Record], size: Size) -> list[Data]:
    """Encode crystals as a preset has them."""
    data = load_preset(preset).data
    atoms = min(data.max_atoms, size.atoms)
    options = {"max_atoms": atoms, "environment": data.environment}
    merge = MergeEquivalent()
    return [merge(encode_structure(r.structure, **options)) for r in records]


def exactness(preset: str, graphs: list[Data], device: torch.device) -> Iterator[Row]:
    """Compare every form and precision with message passing on the CPU."""
    batch, cpu = Batch.from_data_list(graphs), torch.device("cpu")
    exact = move(batch, torch.float64, cpu)
    expected = gradients(make_model(preset, "plain", torch.float64, cpu), exact)
    for form in forms(device):
        for dtype, tolerance in EXACT.items():
            model = make_model(preset, form, dtype, device)
            off = error(gradients(model, move(batch, dtype, device)), expected)
            yield Row(preset, form, f"error, {dtype}", f"{off:.1e}", off < tolerance)
        model = make_model(preset, form, torch.float32, device)
        single = move(batch, torch.float32, device)
        torch.set_float32_matmul_precision("high")
        off = error(gradients(model, single), expected)
        torch.set_float32_matmul_precision("highest")
        yield Row(preset, form, "error, tf32", f"{off:.1e}")
        with torch.autocast(device.type, dtype=torch.bfloat16):
            off = error(gradients(model, single), expected)
        yield Row(preset, form, "error, bfloat16", f"{off:.1e}")
        _, first = gradients(model, single)
        repeats = [gradients(model, single)[1] for _ in range(2)]
        off = max(error([again], [first]) for again in repeats)
        yield Row(preset, form, "three times the same", f"{off:.1e}")


def speed(
    preset: str, graphs: list[Data], size: Size, device: torch.device
) -> Iterator[Row]:
    """Measure a training step of a usual and of a large batch."""
    batches = {}
    for name, copies in (("step", 1), ("large step", size.large)):
        batch = prepare_batch(Batch.from_data_list(graphs * copies))
        batches[name] = move(batch, torch.float32, device)
    times = {}
    for form in forms(device):
        for name, batch in batches.items():
            if form == "plain" and name == "large step":
                continue  # 7 kB a pair
            step = make_step(make_model(preset, form, torch.float32, device), batch)
            seconds, memory = time_step(step, size.steps, device)
            times[form, name] = seconds
            each = f"{1e9 * seconds / batch.num_edges:.1f} ns a pair"
            text = f"{1e3 * seconds:.2f} ms, {each} of {batch.num_edges}, {memory}"
            yield Row(preset, form, name, text)
            if device.type == "cuda" and name == "step":
                yield Row(preset, form, "waits", str(count_waits(step)))
                yield Row(preset, form, "kernels", count_kernels(step))
    if "triton" in {form for form, _ in times} and device.type == "cuda":
        gain = times["torch", "large step"] / times["triton", "large step"]
        passed = gain >= FASTER if preset == "paper" else None
        yield Row(preset, "triton", "times faster", f"{gain:.1f}", passed)


def make_step(model: SiteNet, batch: Data) -> Callable[[], None]:
    """Return a training step on a batch that is there."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model.raw_output(batch).square().mean().backward()
        optimizer.step()

    return step


def time_step(
    step: Callable[[], None], steps: int, device: torch.device
) -> tuple[float, str]:
    """Return the median of a few steps, and what they need beyond what is there."""
    for _ in range(min(5, steps)):
        step()
    is_cuda, before = device.type == "cuda", 0
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    times = []
    for _ in range(steps):
        synchronise()
        start = time.perf_counter()
        step()
        synchronise()
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() - before if is_cuda else 0
    return statistics.median(times), f"{peak / 1e6:.0f} MB" if is_cuda else "no memory"


def count_waits(step: Callable[[], None]) -> int:
    """Return how often a step waits for the GPU."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def count_kernels(step: Callable[[], None]) -> str:
    """Return the kernels of a step, and how long the GPU is busy with them."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as p:
        step()
        synchronise()
    kernels = [e for e in p.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    busy = sum(kernel.device_time for kernel in kernels) / 1e3
    return f"{len(kernels)}, busy for {busy:.2f} ms"


def write_source(folder: Path, records: list[Record]) -> Path:
    """Write crystals and their band gaps as a user would have them."""
    folder.mkdir()
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "band_gap"])
        for record in records:
            record.structure.to(filename=str(folder / f"{record.id}.cif"))
            writer.writerow([f"{record.id}.cif", record.targets["band_gap"]])
    return folder


def training(
    records: list[Record], size: Size, device: torch.device, folder: Path
) -> Iterator[Row]:
    """Train, go on, predict; then read batches in other processes."""
    choose_form("triton")
    source = write_source(folder / "crystals", records)
    atoms = min(100, size.atoms)
    settings = [f"data.source={source}", f"data.max_atoms={atoms}", "data.workers=1"]
    run = folder / "run"
    for epochs in (1, 2):
        config = override(
            load_preset("default"), [*settings, f"training.max_epochs={epochs}"]
        )
        start = time.perf_counter()
        train(config, run, resume=epochs > 1, cache=folder, accelerator=device.type,
              tell=False)  # fmt: skip
        text = f"{time.perf_counter() - start:.1f} s"
        yield Row("default", "", f"epoch {epochs} of a run", text, True)
    files = sorted(source.glob("*.cif"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few crystals, unseen elements
        ours, theirs = (
            torch.tensor(load_predictor(run, device=where).predict(files).iloc[:, 2])
            for where in (device, "cpu")
        )
    off = error([ours], [theirs])
    yield Row("default", "", "predictions, CPU", f"{off:.1e}", off < SAME_PREDICTION)
    dataset = CrystalDataset(folder, source, max_atoms=atoms, workers=1)
    for workers in size.loaders:
        rate = load_rate(dataset, workers, device)
        yield Row("", "", f"loader, {workers} processes", f"{rate:.0f} crystals/s")


def load_rate(dataset: CrystalDataset, workers: int, device: torch.device) -> float:
    """Return crystals a second of a second epoch."""
    sampler = BudgetBatchSampler(dataset.num_sites, dataset.num_pairs, max_sites=400)
    is_cuda = device.type == "cuda"
    loader = Loading(workers, is_cuda, prepare_batch).loader(dataset, sampler)
    for _ in range(2):
        start = time.perf_counter()
        for batch in loader:
            batch.to(device, non_blocking=True)
        synchronise()
    return len(dataset) / (time.perf_counter() - start)


def run_checks(device: torch.device, size: Size) -> Iterator[Row]:
    """Yield the rows of the table."""
    source = open_source("dielectric", ("band_gap",))
    number = max(size.many, size.trained)
    records = [r for r in itertools.islice(source, 2 * number) if isinstance(r, Record)]
    for preset in ("paper", "default"):
        graphs = graphs_of(preset, records[: size.many], size)
        yield from exactness(preset, graphs[: size.few], device)
        yield from speed(preset, graphs, size, device)
    with tempfile.TemporaryDirectory() as folder:
        yield from training(records[: size.trained], size, device, Path(folder))


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return whether a check failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, mps, cpu or auto")
    parser.add_argument("--tiny", action="store_true", help="a dry run")
    options = parser.parse_args(arguments)
    device = choose_device(options.device)
    start = time.perf_counter()
    rows = list(run_checks(device, TINY if options.tiny else FULL))
    print(f"{describe_machine()}; {describe_device(device)}")
    print(f"{time.perf_counter() - start:.0f} s; forms: {', '.join(forms(device))}\n")
    print("| preset | form | check | result | |\n|---|---|---|---|---|")
    marks = {None: "", True: "passed", False: "FAILED"}
    for row in rows:
        print("| " + " | ".join([*row[:4], marks[row.passed]]) + " |")
    return int(any(row.passed is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
