"""``sitenet benchmark``: a published task on its official folds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Accelerator, ConfigFile, Json, Preset, Settings, Workers
from .overrides import choose_settings
from .terminal import as_text, chosen_accelerator, say, say_json, show_table
from .train import Seed

if TYPE_CHECKING:
    from pyg_sitenet.matbench import FoldResult

Task = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="A Matbench task with structures, such as matbench_phonons, or "
        "matbench_phonons:FILE to read it from a file.",
    ),
]
DataFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The file of the task. Default: download it."),
]
Folds = Annotated[
    str, typer.Option(metavar="K,...", help="Which folds to run, from 0 to 4.")
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Default: runs/<task>."),
]
Inner = Annotated[
    bool,
    typer.Option(
        "--inner",
        help="To choose settings: score a fifth of the training part; the test part "
        "stays unseen.",
    ),
]
Crystals = Annotated[
    int | None,
    typer.Option(metavar="N", help="With --inner: train on N crystals."),
]


def benchmark(
    task: Task,
    data_file: DataFile = None,
    folds: Folds = "0,1,2,3,4",
    output: Output = None,
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    seed: Seed = None,
    workers: Workers = None,
    accelerator: Accelerator = "auto",
    inner: Inner = False,
    crystals: Crystals = None,
    as_json: Json = False,
) -> None:
    """Train and score on the official folds of a Matbench task.

    Each fold is trained on the whole of its training part, and the averaged weights of
    the last step are scored; with --set data.val_fraction=0.1 those with the lowest
    validation error. After an interruption, run the same command again: finished folds
    are kept. The output folder holds results.json, results.json.gz for the Matbench
    board, and a run folder for each fold.

    Example: sitenet benchmark matbench_phonons --folds 0,1,2,3,4 --output runs/phonons
    """
    numbers = _numbers(folds)
    task, file = _task_and_file(task, data_file)
    from pyg_sitenet.matbench import run_benchmark

    overrides = {"training.seed": seed, "data.workers": workers}
    if config is None:
        settings = ["data.val_fraction=0", *(settings or ())]
    chosen = choose_settings(preset, config, None, None, settings, overrides)
    result = run_benchmark(
        task,
        chosen,
        output or Path("runs") / task,
        data_file=file,
        folds=numbers,
        on_fold=None if as_json else _say,
        progress=not as_json,
        accelerator=chosen_accelerator(accelerator),
        inner=inner,
        crystals=crystals,
    )
    summary = result.summary()
    if as_json:
        say_json({"folder": str(result.folder)} | summary)
        return
    _show(result.folds, summary)
    say(f"Validation: {summary['notes']['validation']}")
    say(f"Results: {result.folder / ('inner.json' if inner else 'results.json')}")
    if not inner:
        say(f"For the Matbench board: {result.folder / 'results.json.gz'}")


def _task_and_file(task: str, data_file: Path | None) -> tuple[str, Path | None]:
    """Return the name of the task and its file, if it was given."""
    name, _, file = task.partition(":")
    if file and data_file is not None:
        raise typer.BadParameter(
            f"--data-file {data_file} and TASK:{file} both name a file; give one"
        )
    return name, Path(file) if file else data_file


def _numbers(folds: str) -> list[int]:
    try:
        return [int(number) for number in folds.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"--folds takes numbers such as 0,1,2,3,4, got {folds!r}"
        ) from error


def _say(result: FoldResult) -> None:
    """Tell each fold's scores as they come."""
    scores = "   ".join(f"{k} {v:.4g}" for k, v in result.scores.items())
    memory = as_text(result.peak_memory_mb)
    say(
        f"Fold {result.fold}: {scores}   {result.seconds:.0f} s   {memory} MB", err=True
    )


def _show(folds: tuple[FoldResult, ...], summary: dict[str, object]) -> None:
    name = str(summary["score"])
    rows: list[tuple[object, ...]] = [
        (f.fold, f.scores[name], f.dummy_scores[name], f.seconds, f.peak_memory_mb)
        for f in folds
    ]
    total = sum(fold.seconds for fold in folds)
    rows.append(
        ("mean", summary["mean"], summary["dummy_mean"], total / len(folds), None)
    )
    unit = f" / {summary['unit']}" if summary["unit"] and name == "mae" else ""
    headings = ("fold", f"{name}{unit}", "mean dummy", "seconds", "peak memory / MB")
    show_table(headings, rows)
