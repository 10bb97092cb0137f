"""``--list``: the models that ship with the package, and how well they do."""

from __future__ import annotations

from typing import Annotated

import typer

from .terminal import say, show_table


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
    """Show target, unit, error and training data of each ready model."""
    from pyg_sitenet.model_file import read_description
    from pyg_sitenet.ready_models import READY_MODELS

    rows: list[tuple[object, ...]] = []
    for name in READY_MODELS:
        description = read_description(name)
        metrics = description.metrics
        for target in description.targets:
            scores = metrics["targets"][target]
            rows.append(
                (
                    name,
                    target,
                    description.units.get(target, ""),
                    scores["test"]["mae"],
                    scores["baselines"].get("mean", {}).get("test", {}).get("mae"),
                    description.members,
                    metrics["num_crystals"]["train"],
                )
            )
    heads = ("model", "predicts", "unit", "test MAE", "of the mean", "networks")
    show_table((*heads, "trained on"), rows)
    say("Data, elements and limits of one: sitenet info MODEL")
