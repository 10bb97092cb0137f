"""``sitenet tune``: the search for better settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Accelerator, ConfigFile, Data, Json, Preset, Settings, Targets
from .overrides import choose_settings
from .terminal import say, say_json, show_table
from .train import Seed

if TYPE_CHECKING:
    from pandas import DataFrame

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the search.")
]
Trials = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="How many settings to try. Default: 50."),
]
Search = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="Search this setting; repeatable. Default: all."),
]
Concurrent = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Trials at a time.")
]
Grace = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Epochs before a trial may be stopped. Default: 10."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST", help="Address of a running Ray cluster; auto finds it."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the search in the output folder.")
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="With --resume: accept a search that somebody else began, although its "
        "files may run any program.",
    ),
]


def tune(
    data: Data,
    output: Output = Path("runs/search"),
    target: Targets = None,
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    trials: Trials = None,
    search: Search = None,
    concurrent: Concurrent = None,
    grace_epochs: Grace = None,
    address: Address = None,
    seed: Seed = None,
    resume: Resume = False,
    accelerator: Accelerator = "auto",
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Search for better settings with Ray Tune (extra: ray).

    Example: sitenet tune my_crystals/ --target band_gap --trials 100 -o runs/search
    """
    from pyg_sitenet.tuning import tune as search_settings

    if resume and config is None and preset is None:
        saved = output / "search.yaml"
        config = saved if saved.is_file() else None
    numbers = {"training.seed": seed}
    chosen = choose_settings(preset, config, data, target, settings, numbers)
    search_result = search_settings(
        chosen,
        output,
        num_trials=trials,
        settings=search,
        concurrent=concurrent,
        grace_epochs=grace_epochs,
        address=address,
        resume=resume,
        accelerator=accelerator,
        trust=trust,
    )
    best = search_result.folder / "best.yaml"
    if as_json:
        shown = {"best": str(best), "trials": len(search_result.trials)}
        say_json(shown | {"score": search_result.score})
        return
    show_best(search_result.trials)
    say(f"Best settings: {best}")
    say(f"Train with them: sitenet train --config {best}")


def show_best(trials: DataFrame) -> None:
    """Print the best three trials side by side: settings are more than fit in a row."""
    best = trials.sort_values("score").head(3)
    ids, *rows = ([str(name), *best[name].tolist()] for name in best.columns)
    show_table(list(map(str, ids)), rows)
