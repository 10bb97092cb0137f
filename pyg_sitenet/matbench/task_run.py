"""A task of Matbench from its file to the scores of its folds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyg_sitenet.config import Config, override
from pyg_sitenet.data.readers.named.matbench_tasks import (
    NUM_FOLDS,
    MatbenchTask,
    find_task,
)
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.file_locks import check_output_folder, locked_folder
from pyg_sitenet.matbench.board import board_document, write_board_file
from pyg_sitenet.matbench.fold import (
    FoldResult,
    finished_fold,
    run_fold,
    write_json,
)
from pyg_sitenet.matbench.fold_scores import main_score
from pyg_sitenet.matbench.parts import fold_names, inner_folds, splits_of

RESULTS_FILE = "results.json"
BOARD_FILE = "results.json.gz"
INNER_FILE = "inner.json"


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Outcome of :func:`run_benchmark`.

    Attributes:
        task: The task.
        folds: The folds that are finished.
        folder: Where everything was written.
        is_inner: Whether each was scored on a share of its training part.
    """

    task: MatbenchTask
    folds: tuple[FoldResult, ...]
    folder: Path
    is_inner: bool = False

    def summary(self) -> dict[str, Any]:
        """Return what ``results.json`` holds."""
        name = main_score(self.task.kind)
        values = [fold.scores[name] for fold in self.folds]
        dummies = [fold.dummy_scores[name] for fold in self.folds]
        return {
            "task": self.task.name,
            "target": self.task.target,
            "unit": self.task.unit,
            "kind": self.task.kind,
            "score": name,
            "mean": float(np.mean(values)),
            "std": float(np.std(values)),
            "dummy_mean": float(np.mean(dummies)),
            "is_complete": len(self.folds) == NUM_FOLDS and not self.is_inner,
            "notes": _notes(self.folds, is_inner=self.is_inner),
            "folds": [_without_predictions(fold) for fold in self.folds],
        }


def run_benchmark(
    task: str,
    config: Config,
    output: str | Path,
    *,
    data_file: str | Path | None = None,
    folds: Sequence[int] = tuple(range(NUM_FOLDS)),
    on_fold: Callable[[FoldResult], None] | None = None,
    progress: bool = False,
    cache: str | Path | None = None,
    accelerator: str = "auto",
    inner: bool = False,
    crystals: int | None = None,
) -> BenchmarkResult:
    """Train and score on the official folds of a task.

    The validation part is a share (``data.val_fraction``) of each fold's training part;
    the test part is only predicted. Each fold has a run folder ``fold_<k>``. After each
    fold ``results.json`` and, in the shape of the Matbench board, ``results.json.gz``
    are written anew. Folds that are finished are kept, one that was interrupted is
    continued.

    Settings are chosen with ``inner``: a fifth of each fold's training part, always the
    same one, takes the place of the test part, which stays unseen. Its run folders are
    called ``inner_<k>`` and its results ``inner.json``; none are for the board.

    Args:
        task: Name of a structure task of Matbench.
        config: All settings; source and target of the data are those of the task.
        output: Folder for the results.
        data_file: File of the task. (default: the official one, downloaded)
        folds: Which to run, from 0 to 4.
        on_fold: Called with each result as it comes.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data.
        accelerator: Kind of device, as :func:`~pyg_sitenet.train` takes it.
        inner: Train on four fifths of the training part and score on the last fifth.
        crystals: With ``inner``, train on so many of them. (default: all)

    Raises:
        DataError: If there is no such task or its file cannot be used.
        ConfigError: If there is no such fold, if the output folder has folds with
            other settings, or if ``crystals`` comes without ``inner``.
        SiteNetError: If the output folder holds files of others.
    """
    names = fold_names(_check_folds(folds), inner=inner, crystals=crystals)
    benchmark = find_task(task)
    config = _for_task(config, benchmark, data_file)
    ids, truth = _targets(benchmark, config.data.source)
    parts = benchmark.folds([truth[id_] for id_ in ids])
    if inner:
        parts = inner_folds(parts, config, crystals)
    folder = Path(output)
    written = [INNER_FILE] if inner else [RESULTS_FILE, BOARD_FILE]
    own = [path.name for path in folder.glob("inner_*" if inner else "fold_*")]
    check_output_folder(folder, written, own)
    results: list[FoldResult] = []
    with locked_folder(folder):
        for number, name in names.items():
            place = folder / name
            result = finished_fold(place, config) or run_fold(
                number,
                config,
                place,
                splits_of(ids, truth, parts[number], config, number),
                truth,
                benchmark.kind,
                progress=progress,
                cache=cache,
                accelerator=accelerator,
            )
            results.append(result)
            _write(BenchmarkResult(benchmark, tuple(results), folder, inner))
            if on_fold is not None:
                on_fold(result)
    return BenchmarkResult(benchmark, tuple(results), folder, inner)


def _check_folds(folds: Sequence[int]) -> list[int]:
    numbers = sorted(set(folds))
    if not numbers or not set(numbers) <= set(range(NUM_FOLDS)):
        raise ConfigError(
            f"folds must be among 0 to {NUM_FOLDS - 1}, got {list(folds)}; for example "
            "0,1,2,3,4"
        )
    return numbers


def _for_task(
    config: Config, task: MatbenchTask, data_file: str | Path | None
) -> Config:
    source = task.name
    if data_file is not None:
        source = f"{task.name}:{Path(data_file).expanduser().resolve()}"
    return override(
        config,
        [
            f"data.source={json.dumps(source)}",
            f"data.targets={json.dumps([task.target])}",
            f"data.units={json.dumps({task.target: task.unit} if task.unit else {})}",
            f"data.classes={json.dumps(_classes(task))}",
        ],
    )


def _classes(task: MatbenchTask) -> dict[str, tuple[str, ...]]:
    """Return the classes of a task, so that their numbers are those of the board."""
    is_class = task.kind == "classification"
    return {task.target: ("false", "true")} if is_class else {}


def _targets(task: MatbenchTask, source: str) -> tuple[list[str], dict[str, float]]:
    """Return the ids in the order of the file, and their targets."""
    truth: dict[str, float] = {}
    opened = open_source(source, (task.target,), classes=_classes(task))
    for entry in opened.entries():
        if not isinstance(entry, Entry):
            raise DataError(
                f"{entry.origin}: {entry.reason}; a benchmark needs every row"
            )
        truth[entry.id] = entry.targets[task.target]
    return list(truth), truth


def _write(result: BenchmarkResult) -> None:
    summary = result.summary()
    if result.is_inner:
        write_json(result.folder / INNER_FILE, summary)
        return
    write_json(result.folder / RESULTS_FILE, summary)
    document = board_document(result.task, result.folds, summary["notes"])
    write_board_file(result.folder / BOARD_FILE, document)


def _notes(folds: Sequence[FoldResult], *, is_inner: bool) -> dict[str, str]:
    data = folds[0].parameters["data"]
    validation = "none; the last weights are scored, and nothing was chosen"
    if data["val_fraction"] > 0:
        validation = (
            f"{data['val_fraction']:.0%} of each fold's training part, drawn with seed "
            f"{data['split_seed']}; the test part is only predicted"
        )
    if is_inner:
        validation += (
            "; what is scored is a fifth of each fold's training part, and the "
            "official test part is not looked at"
        )
    unusable = sum(fold.num_crystals["test_unusable"] for fold in folds)
    return {
        "validation": validation,
        "unusable": (
            f"{unusable} test crystals could not be used and are predicted as the mean "
            "of the training part"
        ),
    }


def _without_predictions(result: FoldResult) -> dict[str, Any]:
    left_out = ("predictions", "parameters")
    return {
        name: getattr(result, name) for name in result.__slots__ if name not in left_out
    }
