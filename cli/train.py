"""``sitenet train``: crystals in, a run folder with a trained model out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .counts import end, report
from .options import (
    DATA_HELP,
    ConfigFile,
    Json,
    Preset,
    Settings,
    Strict,
    Targets,
    Workers,
)
from .settings import choose_settings
from .tables import show_table

if TYPE_CHECKING:
    from pyg_sitenet.training.train import RunResult

BASELINES = ("mean", "composition")
Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help=f"Crystals: {DATA_HELP} Default: dielectric."),
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
    workers: Workers = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Train a model and write a run folder.

    Example: sitenet train my_crystals/ --target band_gap --output runs/gap
    """
    if resume and output is None:
        raise typer.BadParameter("--resume needs the --output folder of the run")
    from pyg_sitenet.training.train import train as train_model

    folder = output or Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    saved = folder / "config.yaml"
    if resume and config is None and preset is None and saved.is_file():
        config = saved
    numbers = {"training.seed": seed, "training.members": members}
    numbers["data.workers"] = workers
    chosen = choose_settings(preset, config, data, target, settings, numbers)
    result = train_model(chosen, folder, resume=resume, progress=not as_json)
    if as_json:
        typer.echo(json.dumps({"folder": str(result.folder)} | result.metrics))
    else:
        _report(result)
    report(result.ledger, "used", result.folder / "failures.csv")
    end(result.ledger, strict=strict)


def _report(result: RunResult) -> None:
    """Print the errors beside those of the baselines, and where things are."""
    rows = []
    for name, found in result.metrics["targets"].items():
        maes = [found["test"]["mae"]]
        maes += [found["baselines"][kind]["test"]["mae"] for kind in BASELINES]
        rows.append((name, found["unit"], *maes))
    show_table(("test MAE of", "unit", "Site-Net", "mean", "composition only"), rows)
    for note in result.metrics["notes"]:
        typer.echo(f"Note: {note}")
    folder, failed = result.folder, result.ledger.failed
    if failed:
        typer.echo(f"{failed} inputs could not be used: {folder / 'failures.csv'}")
    typer.echo(f"Run folder: {folder}")
    typer.echo(f"Figures: {folder / 'figures'}")
