"""``--list``: the models that ship with the package, and how well they do."""

from __future__ import annotations

from typing import Annotated

import typer

from .terminal import as_text, say, show_table


def _list(wanted: bool) -> None:
    if wanted:
        show_ready_models()
        raise typer.Exit


List = Annotated[
    bool,
    typer.Option(
        "--list",
        callback=_list,
        is_eager=True,
        help="Show the ready models with their errors, and nothing else.",
    ),
]


def show_ready_models() -> None:
    """Show the error of each ready model, that of the mean, and its training data."""
    from pyg_sitenet.model_file import read_description
    from pyg_sitenet.ready_models import READY_MODELS

    rows: list[tuple[object, ...]] = []
    for name in READY_MODELS:
        description = read_description(name)
        metrics = description.metrics
        for target in description.targets:
            scores = metrics["targets"][target]
            error = as_text(scores["test"]["mae"])
            mean = scores["baselines"].get("mean", {}).get("test", {}).get("mae")
            unit = description.units.get(target, "")
            crystals = metrics["num_crystals"]["train"]
            row = (name, f"{error} {unit}", mean, description.members, crystals)
            rows.append(row)
    # Five columns, so that no name is broken on a terminal of 80 characters.
    show_table(("model", "test MAE", "mean", "networks", "crystals"), rows)
    say("Data, elements and limits of one: sitenet info MODEL")
