"""What networks predicted for the folds of a task, from runs or as it was kept."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Member:
    """A network of a seed on each of several folds.

    Attributes:
        task: Name of the task.
        settings: All settings; the seed is among them.
        predictions: By fold, then by crystal.
        seconds: Of the training, by fold.
        facts: ``parameters``, ``epochs`` and ``members`` of the network.
        machines: Where they were trained.
    """

    task: str
    settings: dict[str, Any]
    predictions: dict[int, dict[str, float]]
    seconds: dict[int, float]
    facts: dict[str, int]
    machines: tuple[str, ...]

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return int(self.settings["training"]["seed"])


def read_member(path: Path, machine: str) -> Member:
    """Read the folder of a benchmark, trained on this machine, or a kept file."""
    return read_run(path, machine) if path.is_dir() else read_kept(path)


def read_run(run: Path, machine: str) -> Member:
    """Read what ``sitenet benchmark`` wrote of each of its folds."""
    files = sorted(run.glob("fold_*/benchmark.json"))
    if not files:
        raise SystemExit(f"{run}: expected finished folds of a benchmark, found none")
    folds = {fold["fold"]: fold for fold in map(read_json, files)}
    task = read_json(run / "results.json")["task"]
    settings = next(iter(folds.values()))["parameters"]
    settings["data"]["source"] = task  # wherever the file was
    metrics = read_json(files[0].with_name("metrics.json"))
    return Member(
        task=task,
        settings=settings,
        predictions={number: fold["predictions"] for number, fold in folds.items()},
        seconds={number: fold["seconds"] for number, fold in folds.items()},
        facts={
            "parameters": metrics["num_parameters"],
            "epochs": metrics["epochs"],
            "members": settings["training"]["members"],
        },
        machines=(machine,),
    )


def read_kept(file: Path) -> Member:
    """Read predictions that were kept, ``single.csv.gz`` with ``single.json``.

    Raises:
        SystemExit: If they are the mean of several seeds.
    """
    notes = read_json(file.with_name(file.name.replace(".csv.gz", ".json")))
    if notes["members"] != notes["settings"]["training"]["members"]:
        raise SystemExit(f"{file}: expected a single seed, got {notes['members']}")
    predictions: dict[int, dict[str, float]] = {}
    with gzip.open(file, "rt", encoding="utf-8") as text:
        for line in csv.DictReader(text):
            fold = predictions.setdefault(int(line["fold"]), {})
            fold[line["id"]] = float(line["prediction"])
    return Member(
        task=file.parent.name,
        settings=notes["settings"],
        predictions=predictions,
        seconds=dict(zip(predictions, notes["seconds"], strict=True)),
        facts={name: notes[name] for name in ("parameters", "epochs", "members")},
        machines=tuple(notes["machine"].split("; ")),
    )


def read_json(file: Path) -> dict[str, Any]:
    """Read an object."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def by_seed(parts: Sequence[Member]) -> list[Member]:
    """Join what has the same seed: it gives other folds of the same network.

    Raises:
        SystemExit: If settings differ by more than the seed, or a fold is there twice.
    """
    joined: dict[int, Member] = {}
    for part in parts:
        if without_seed(part) != without_seed(parts[0]):
            raise SystemExit("expected runs that differ by seed alone, or by folds")
        before = joined.get(part.seed)
        joined[part.seed] = part if before is None else add_folds(before, part)
    return list(joined.values())


def without_seed(member: Member) -> dict[str, Any]:
    """Return the settings that members of an ensemble share, on whatever machine."""
    training = {**member.settings["training"], "seed": None}
    data = {**member.settings["data"], "workers": None}
    return {**member.settings, "data": data, "training": training}


def add_folds(member: Member, other: Member) -> Member:
    """Return a member with the folds of both."""
    twice = set(member.predictions) & set(other.predictions)
    if twice:
        raise SystemExit(
            f"expected runs that differ by seed alone, or by folds; seed {member.seed}"
            f" is there twice for fold {', '.join(map(str, sorted(twice)))}"
        )
    return replace(
        member,
        predictions=member.predictions | other.predictions,
        seconds=member.seconds | other.seconds,
        machines=unique((*member.machines, *other.machines)),
    )


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return each name once, in order."""
    return tuple(dict.fromkeys(names))
