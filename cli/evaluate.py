"""``sitenet evaluate``: a trained model against known values."""

from __future__ import annotations

import json
from dataclasses import astuple

import typer

from .options import Data, Json, Model, OutputFile
from .tables import (
    FAILURE_HEADINGS,
    Reasons,
    counted,
    failures_file,
    rows_file,
    show_table,
)


def evaluate(
    model: Model, data: Data, output: OutputFile = None, as_json: Json = False
) -> None:
    """Compare a model's predictions with known values.

    Example: sitenet evaluate runs/gap new_crystals.csv
    """
    from pyg_sitenet.data.sources import open_source
    from pyg_sitenet.evaluation import evaluate as evaluate_model
    from pyg_sitenet.prediction import load_predictor

    predictor = load_predictor(model)
    names = predictor.description.targets
    source = open_source(data, names)
    found = evaluate_model(predictor, counted(source, "Evaluating", source.count))
    failed = failures_file(output) if output else None
    if output is not None and failed is not None:
        known = [f"known {column}" for column in predictor.columns]
        with rows_file(output, ["id", "formula", *predictor.columns, *known]) as add:
            for one in found.predictions:
                values = (one.values, one.targets)
                add([one.id, one.formula, *(v[name] for v in values for name in names)])
        with rows_file(failed, FAILURE_HEADINGS) as add:
            for failure in found.failures:
                add(astuple(failure))
    counts = {"evaluated": len(found.predictions), "failed": len(found.failures)}
    typer.echo(f"{counts['evaluated']} evaluated, {counts['failed']} failed", err=True)
    Reasons((one.origin, one.reason) for one in found.failures).report(failed)
    if as_json:
        typer.echo(json.dumps({"metrics": found.metrics} | counts))
        return
    rows = [
        (name, of["mae"], of["rmse"], of["r2"], of["unit"])
        for name, of in found.metrics.items()
    ]
    show_table(["target", "MAE", "RMSE", "R2", "unit"], rows)
