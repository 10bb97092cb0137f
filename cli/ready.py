"""``--list``: the models that ship with the package, and how well they do."""

from __future__ import annotations

from typing import Annotated

import typer

from .terminal import as_text, say, say_json, show_table


def _list(context: typer.Context, wanted: bool) -> None:
    if wanted:
        show_ready_models(as_json="--json" in (context.find_root().obj or ()))
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


def show_ready_models(*, as_json: bool) -> None:
    """Show the error of each ready model, that of the mean, and its training data."""
    from pyg_sitenet.model_file import read_description
    from pyg_sitenet.ready_models import READY_MODELS

    rows: list[tuple[object, ...]] = []
    facts: list[dict[str, object]] = []
    for name in READY_MODELS:
        description = read_description(name)
        metrics = description.metrics
        for target in description.targets:
            scores = metrics["targets"][target]
            error = scores["test"]["mae"]
            mean = scores["baselines"].get("mean", {}).get("test", {}).get("mae")
            unit = description.units.get(target, "")
            crystals = metrics["num_crystals"]["train"]
            numbers = {"networks": description.members, "crystals": crystals}
            rows.append((name, f"{as_text(error)} {unit}", mean, *numbers.values()))
            fact = {"model": name, "target": target, "unit": unit, "test_mae": error}
            facts.append({**fact, "mean": mean, **numbers})
    if as_json:
        say_json(facts)
        return
    # Five columns, so that no name is broken on a terminal of 80 characters.
    show_table(("model", "test MAE", "mean", "networks", "crystals"), rows)
    say("Data, elements and limits of one: sitenet info MODEL")
