"""``sitenet train``: crystals in, a run folder with a trained model out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.file_locks import own_folder

from .counts import end, report
from .loading import loading
from .options import (
    DATA_HELP,
    Accelerator,
    ConfigFile,
    Json,
    Preset,
    Settings,
    Strict,
    Targets,
    Workers,
)
from .overrides import choose_settings
from .terminal import CLASS_SCORES, chosen_accelerator, say, say_json, show_table

if TYPE_CHECKING:
    from pyg_sitenet.training.train import RunResult

Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help=f"Crystals: {DATA_HELP} Default: band_gaps."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Default: runs/<date-time>."),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of the training.")]
Members = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Train an ensemble of N networks."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the run in the output folder.")
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Fine-tune this model, which may be a ready one.",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(min=2, metavar="K", help="Cross-validate with K folds, a run each."),
]
Devices = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Devices per machine.")
]
Nodes = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Number of machines.")
]


def train(
    data: Data = None,
    target: Targets = None,
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    output: Output = None,
    seed: Seed = None,
    members: Members = None,
    resume: Resume = False,
    model: From = None,
    folds: Folds = None,
    devices: Devices = None,
    nodes: Nodes = None,
    accelerator: Accelerator = "auto",
    workers: Workers = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Train a model and write a run folder.

    Example: sitenet train my_crystals/ --target band_gap --output runs/gap
    """
    _check(output, resume=resume, folds=folds, devices=devices, nodes=nodes)
    with loading():
        from pyg_sitenet.training.folds import cross_validate
        from pyg_sitenet.training.train import train as train_model

    if resume and output is not None and config is None and preset is None:
        config = _settings_of_run(output, folds)
    numbers = {"training.seed": seed, "training.members": members}
    numbers["data.workers"] = workers
    chosen = choose_settings(preset, config, data, target, settings, numbers, model)
    common: dict[str, Any] = {"resume": resume, "progress": not as_json}
    common["accelerator"] = chosen_accelerator(accelerator)
    with _folder(output) as folder:
        if folds is not None:
            result = cross_validate(chosen, folder, folds, **common)
        else:
            result = train_model(chosen, folder, devices=devices, nodes=nodes, **common)
    if not result.metrics:  # the first of several processes reports
        return
    if as_json:
        say_json({"folder": str(result.folder)} | result.metrics)
    else:
        _report(result, folds)
    report(result.ledger, "used", result.folder / "failures.csv")
    end(result.ledger, strict=strict)


def _settings_of_run(output: Path, folds: int | None) -> Path | None:
    from pyg_sitenet.training.folds import fold_folder
    from pyg_sitenet.training.run.run_folder import RunFolder

    run = fold_folder(output, 0) if folds else RunFolder(output)
    return run.config if run.config.is_file() else None


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """Name the folder of the run: without a name one that no other run has."""
    if output is not None:
        yield output
        return
    folder = own_folder(Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}")
    try:
        yield folder
    except SiteNetError:
        with suppress(OSError):  # unless there is something in it
            folder.rmdir()
        raise


def _check(
    output: Path | None,
    *,
    resume: bool,
    folds: int | None,
    devices: int | None,
    nodes: int | None,
) -> None:
    several = bool({devices, nodes} - {None, 1})
    wrong = {
        "--resume needs the --output folder of the run": resume and output is None,
        "several devices need an --output folder": several and output is None,
        "--folds trains each fold on one device": several and folds is not None,
    }
    for usage, is_so in wrong.items():
        if is_so:
            raise typer.BadParameter(usage)


def _report(result: RunResult, folds: int | None) -> None:
    """Print the errors beside those of the baselines, and where things are."""
    targets = result.metrics["targets"]
    rows = [
        (name, target["unit"], *_scores(target, "mae"))
        for name, target in targets.items()
        if "classes" not in target
    ]
    if rows:
        heads = ("test MAE of", "unit", "Site-Net", "mean", "composition only")
        show_table(heads, rows)
    for name, target in targets.items():
        if "classes" in target:
            shown = CLASS_SCORES.items()
            show_table(
                (f"test of {name}", "Site-Net", "majority", "composition only"),
                [(word, *_scores(target, key)) for key, word in shown],
            )
    folder = result.folder
    if folds is not None:
        say(f"Mean and standard deviation of {folds} folds; runs: {folder}")
        return
    best, epochs = result.metrics["best_epoch"], result.metrics["epochs"]
    if best is not None:
        say(f"Weights kept: those of epoch {best} of {epochs}")
    for note in result.metrics["notes"]:
        say(f"Note: {note}")
    failed = result.ledger.failed
    if failed:
        inputs = "1 input" if failed == 1 else f"{failed} inputs"
        say(f"{inputs} could not be used: {folder / 'failures.csv'}")
    say(f"Run folder: {folder}")
    say(f"Figures: {folder / 'figures'}")


def _scores(target: dict[str, Any], key: str) -> list[object]:
    """Return a score of the model and of the baselines."""
    parts = [target, *target["baselines"].values()]
    return [_shown(part["test"].get(key)) for part in parts]


def _shown(error: Any) -> object:  # noqa: ANN401 - a number, or one of each fold
    if not isinstance(error, dict):
        return error
    return f"{error['mean']:.4g} ± {error['std']:.2g}"
