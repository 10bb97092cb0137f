"""Many crystals that the script makes: throughput, memory, and kills at any moment.

Small crystals of the bundled data are strained, shaken and partly substituted, with a
seed, and written to a file; then ``sitenet prepare`` turns them into graphs, and
``sitenet predict`` predicts them with a small model, while the memory of all processes
is sampled. With ``--kills`` each is done again in another folder, killed with SIGKILL
at random moments and started anew, and what both wrote is compared byte for byte:

    python benchmarks/soak.py --crystals 50000 --kills 10
    python benchmarks/soak.py --crystals 300 --kills 2 --stages predict
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import describe_machine

from pyg_sitenet.data.readers.named.bundled import BUNDLED

MB = 1024  # kB
_LIKE = {
    9: (17, 35, 53),
    17: (9, 35, 53),
    8: (16, 34),
    16: (8, 34),
    11: (3, 19, 37),
    19: (11, 37, 55),
    20: (12, 38, 56),
    38: (20, 56),
    14: (32,),
    13: (31, 49),
}


class Run(NamedTuple):
    """What a command took."""

    seconds: float
    start: float  # seconds until its folder held the first file
    peak: float  # MB of all its processes, shared pages once
    largest: float  # MB, resident set of its largest process
    samples: list[float]  # MB of all processes, over time


def write_crystals(path: Path, count: int, seed: int, max_sites: int) -> None:
    """Write strained, shaken and substituted crystals, as ``.extxyz`` or ``.jsonl``."""
    random = np.random.default_rng(seed)
    rows = [
        row
        for row in BUNDLED["dielectric"].rows()
        if len(row["structure"]["species"]) <= max_sites
    ]
    as_text = _as_json if path.suffix == ".jsonl" else _as_extxyz
    with path.open("w", encoding="utf-8") as file:
        for number, row in zip(range(count), cycle(rows), strict=False):
            structure = _change(row["structure"], random)
            file.write(as_text(f"s{number}", structure, row["band_gap"]))


def sampled(
    command: Sequence[str], folder: Path, log: Path, kill_after: float | None = None
) -> Run:
    """Run a command and sample the memory of its processes; kill it if asked to."""
    start = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True
        )
    timer = None
    if kill_after is not None:
        # The whole group: what a machine does that loses its power.
        timer = threading.Timer(kill_after, _kill, [process.pid])
        timer.start()
    totals, largest, first = [], 0.0, None
    while process.poll() is None:
        if first is None and files_of(folder):
            first = time.perf_counter() - start
        sizes = list(_memory(process.pid))
        totals.append(sum(pss for pss, _ in sizes) / MB)
        largest = max([largest, *(rss / MB for _, rss in sizes)])
        time.sleep(0.5)
    if timer is not None:
        timer.cancel()
    elif process.returncode:
        raise SystemExit(f"{' '.join(command)} failed, see {log}")
    seconds = time.perf_counter() - start
    peak = max(totals, default=0.0)
    return Run(seconds, seconds if first is None else first, peak, largest, totals)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what was stored, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".safetensors", ".csv")
    }


def soak_prepare(options: argparse.Namespace, work: Path, data: Path) -> None:
    """Prepare the crystals, then again with kills, and compare."""

    def command(folder: Path) -> list[str]:
        words = ("prepare", data, "--target", "gap", "--output", folder)
        return sitenet(*words, "--set", f"data.max_atoms={options.max_atoms}")

    run_and_compare("prepare", command, options, work)


def soak_predict(options: argparse.Namespace, work: Path, data: Path) -> None:
    """Predict the crystals with a small model, then again with kills, and compare."""
    model = work / "model"
    settings = (
        f"data.max_atoms={options.max_atoms}",
        "model.blocks=1",
        "training.max_epochs=2",
    )
    words = [word for setting in settings for word in ("--set", setting)]
    if not model.exists():
        sampled(sitenet("train", "--output", model, *words), model, work / "train.log")

    def command(folder: Path) -> list[str]:
        return sitenet(
            "predict", model, data, "--output", folder / "gaps.csv", "--resume"
        )

    run_and_compare("predict", command, options, work)


def sitenet(*words: object) -> list[str]:
    """Return the command line of a command."""
    return [sys.executable, "-m", "pyg_sitenet.cli", *map(str, words)]


def run_and_compare(
    name: str,
    command: Callable[[Path], list[str]],
    options: argparse.Namespace,
    work: Path,
) -> None:
    """Run a command and report, then again with kills, and compare."""
    work = work / name
    work.mkdir()
    folder = work / "whole"
    run = sampled(command(folder), folder, work / "whole.log")
    report(name, options.crystals, run)
    if options.kills:
        compare_after_kills(command, options, work, run)


def compare_after_kills(
    command: Callable[[Path], list[str]],
    options: argparse.Namespace,
    work: Path,
    whole_run: Run,
) -> None:
    """Kill and restart as often as asked, finish, and compare the files."""
    random = np.random.default_rng(options.seed)
    folder = work / "killed"
    for number in range(options.kills):
        # Each run begins anew and has on average its share of the work.
        share = 2 * (whole_run.seconds - whole_run.start) / (options.kills + 1)
        delay = random.uniform(0.0, whole_run.start + share)
        killed = sampled(command(folder), folder, work / "killed.log", delay)
        files = files_of(folder)
        progress = f"{len(files)} files, {sum(map(len, files.values()))} bytes"
        print(
            f"kill {number + 1}: after {killed.seconds:.1f} s, {progress}", flush=True
        )
    run = sampled(command(folder), folder, work / "killed.log")
    whole, files = files_of(work / "whole"), files_of(folder)
    print(f"finished in {run.seconds:.1f} s; {len(files)} files", flush=True)
    if whole != files:
        different = sorted(set(whole.items()) ^ set(files.items()))
        raise SystemExit(f"DIFFERENT: {[name for name, _ in different]}")
    print(f"all {len(whole)} files are byte-equal to those of the uninterrupted run")


def report(name: str, count: int, run: Run) -> None:
    """Print throughput and memory, and whether memory is flat."""
    quarters = np.array_split(np.array(run.samples), 4)
    means = [f"{part.mean():.0f}" for part in quarters if len(part)]
    print(
        f"{name}: {count} crystals in {run.seconds:.1f} s, "
        f"{count / run.seconds:.1f} a second; memory of all processes: peak "
        f"{run.peak:.0f} MB, mean by quarters of the time {', '.join(means)} MB; "
        f"largest process {run.largest:.0f} MB",
        flush=True,
    )


STAGES: dict[str, Callable[[argparse.Namespace, Path, Path], None]] = {
    "prepare": soak_prepare,
    "predict": soak_predict,
}


def main() -> None:
    """Run the stages asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crystals", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--max-sites", type=int, default=12, help="of a crystal")
    parser.add_argument("--max-atoms", type=int, default=100)
    parser.add_argument("--format", choices=("extxyz", "jsonl"), default="extxyz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    options = parser.parse_args()
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.folder or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        data = work / f"crystals.{options.format}"
        write_crystals(data, options.crystals, options.seed, options.max_sites)
        for stage in options.stages:
            STAGES[stage](options, work, data)


def _change(structure: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    strain = np.eye(3) + random.normal(0, 0.01, (3, 3))
    places = np.array(structure["frac_coords"])
    species = list(structure["species"])
    for kind in sorted(set(map(str, species))):
        if random.random() < 0.3:
            new = random.choice(_substitutes(kind))
            species = [str(new) if element == kind else element for element in species]
    return {
        "lattice": (np.array(structure["lattice"]) @ strain).round(6).tolist(),
        "species": species,
        "frac_coords": (places + random.normal(0, 0.002, places.shape))
        .round(6)
        .tolist(),
    }


def _as_json(id_: str, structure: dict[str, Any], gap: float) -> str:
    return json.dumps({"id": id_, "structure": structure, "gap": gap}) + "\n"


def _as_extxyz(id_: str, structure: dict[str, Any], gap: float) -> str:
    cell = " ".join(str(number) for row in structure["lattice"] for number in row)
    places = np.array(structure["frac_coords"]) @ np.array(structure["lattice"])
    atoms = [
        f"{kind} {x:.6f} {y:.6f} {z:.6f}"
        for kind, (x, y, z) in zip(structure["species"], places, strict=True)
    ]
    title = f'Lattice="{cell}" Properties=species:S:1:pos:R:3 pbc="T T T"'
    return "\n".join([str(len(atoms)), f"{title} id={id_} gap={gap}", *atoms, ""])


def _substitutes(kind: str) -> list[str]:
    from ase.data import atomic_numbers, chemical_symbols

    number = atomic_numbers.get(kind, 0)
    return [chemical_symbols[neighbour] for neighbour in _LIKE.get(number, (number,))]


def _memory(group: int) -> Iterator[tuple[int, int]]:
    """Yield PSS and RSS (kB) of each process of a group (Linux)."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getpgid(int(entry.name)) != group:
                continue
            lines = (entry / "smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        values = {line.split(":")[0]: line.split() for line in lines[1:]}
        yield int(values["Pss"][1]), int(values["Rss"][1])


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
