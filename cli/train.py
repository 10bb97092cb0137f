"""``sitenet train``: crystals in, a run folder with a trained model out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DATA_HELP, Json
from .tables import show_table

if TYPE_CHECKING:
    from pyg_sitenet.config import Config
    from pyg_sitenet.training.train import RunResult

BASELINES = ("mean", "composition")
Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help=f"Crystals: {DATA_HELP} Default: dielectric."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", metavar="NAME", help="What to learn; repeatable."),
]
Preset = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Settings to start from: default or paper."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings from a YAML file."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="One setting; repeatable."),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Default: runs/<date-time>."),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of the training.")]
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
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train a model and write a run folder.

    Example: sitenet train my_crystals/ --target band_gap --output runs/gap
    """
    if preset is not None and config is not None:
        raise typer.BadParameter("give either --preset or --config, not both")
    if resume and output is None:
        raise typer.BadParameter("--resume needs the --output folder of the run")
    from pyg_sitenet.config import override
    from pyg_sitenet.training.train import train as train_model

    folder = output or Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    chosen = _start(preset, config, folder, resume)
    chosen = override(chosen, _data_settings(data, target or []))
    if seed is not None:
        chosen = override(chosen, [f"training.seed={seed}"])
    chosen = override(chosen, settings or [])
    result = train_model(chosen, folder, resume=resume, progress=not as_json)
    if as_json:
        typer.echo(json.dumps({"folder": str(result.folder)} | result.metrics))
    else:
        _report(result)


def _start(preset: str | None, file: Path | None, folder: Path, resume: bool) -> Config:
    """Return the settings to start from: those of the run, if one is continued."""
    from pyg_sitenet.config import load_config, load_preset

    saved = folder / "config.yaml"
    if file is None and preset is None and resume and saved.is_file():
        file = saved
    return load_preset(preset or "default") if file is None else load_config(file)


def _data_settings(data: str | None, targets: list[str]) -> list[str]:
    """Return settings for data and targets; a lone target need not be named."""
    from pyg_sitenet.data.sources import open_source

    settings = []
    if data is not None:
        settings.append(f"data.source={json.dumps(data)}")
        available = list(open_source(data).available) if not targets else []
        if len(available) == 1:
            targets = available
    if targets:
        settings.append(f"data.targets={json.dumps(targets)}")
    return settings


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
    folder, failed = result.folder, result.metrics["num_crystals"]["failed"]
    if failed:
        typer.echo(f"{failed} inputs could not be used: {folder / 'failures.csv'}")
    typer.echo(f"Run folder: {folder}")
    typer.echo(f"Figures: {folder / 'figures'}")
