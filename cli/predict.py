"""``sitenet predict``: structures in, a table of predictions out."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DATA_HELP, Json, Model, OutputFile
from .tables import (
    FAILURE_HEADINGS,
    Reasons,
    counted,
    failures_file,
    finished_rows,
    rows_file,
    show_table,
)

if TYPE_CHECKING:
    from pyg_sitenet.data.records import Failure, Record
    from pyg_sitenet.data.sources import Source
    from pyg_sitenet.prediction import Prediction, Predictor

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help=f"Each one structure file, or {DATA_HELP}"),
]


Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where the output file ends.")
]


def predict(
    model: Model,
    inputs: Inputs,
    output: OutputFile = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Predict the properties of structures.

    An input that cannot be used is reported with the reason, and the rest is done. With
    --output the rows are written as they come, and the failures to a file beside them.

    Example: sitenet predict runs/gap my_structures/ --output gaps.csv
    """
    if resume and output is None:
        raise typer.BadParameter("--resume needs the --output file to go on with")
    from pyg_sitenet.data.sources import open_source
    from pyg_sitenet.errors import DataError
    from pyg_sitenet.prediction import load_predictor

    predictor = load_predictor(model)
    source = open_source(inputs)
    if output is None:
        found = predictor.predict_records(source)
        results = list(counted(found, "Predicting", source.count))
        done, reasons = _show(results, predictor, as_json)
    else:
        done, reasons = _write(source, predictor, output, resume, as_json)
    typer.echo(f"{done} predicted, {reasons.total()} failed", err=True)
    reasons.report(failures_file(output) if output else None)
    if not done and not reasons.total():
        raise DataError(f"{', '.join(inputs)}: no crystal in it; name other inputs")
    if not done:
        raise typer.Exit(1)


def _show(
    results: list[Prediction | Failure], predictor: Predictor, as_json: bool
) -> tuple[int, Reasons]:
    from pyg_sitenet.data.records import Failure

    failures = [one for one in results if isinstance(one, Failure)]
    predictions = [one for one in results if not isinstance(one, Failure)]
    if as_json:
        keep = ("id", "formula", "values", "warnings")
        shown = [{key: getattr(one, key) for key in keep} for one in predictions]
        units = predictor.description.units
        found = {"units": units, "predictions": shown}
        typer.echo(json.dumps(found | {"failures": [asdict(one) for one in failures]}))
    else:
        rows = [_row(one, predictor) for one in predictions]
        show_table(_headings(predictor), rows)
    return len(predictions), Reasons((one.origin, one.reason) for one in failures)


def _write(
    source: Source,
    predictor: Predictor,
    output: Path,
    resume: bool,
    as_json: bool,
) -> tuple[int, Reasons]:
    """Write each result as it comes, but not again what the files hold already."""
    from pyg_sitenet.data.records import Failure

    failed, headings = failures_file(output), _headings(predictor)
    done, warned, reasons = 0, 0, Reasons()
    records, total = iter(source), source.count
    if resume:
        rows = finished_rows(output, headings)
        earlier = finished_rows(failed, FAILURE_HEADINGS)
        done, reasons = len(rows), Reasons((row[0], row[3]) for row in earlier)
        finished = {row[0] for row in rows}, {(row[0], row[1]) for row in earlier}
        records = (one for one in records if not _is_in(one, *finished))
        total = None if total is None else total - done - len(earlier)
    with (
        rows_file(output, headings, resume=resume) as add,
        rows_file(failed, FAILURE_HEADINGS, resume=resume) as add_failure,
    ):
        results = predictor.predict_records(records)
        for result in counted(results, "Predicting", total):
            if isinstance(result, Failure):
                add_failure(astuple(result))
                reasons.add(result.origin, result.reason)
            else:
                add(_row(result, predictor))
                done, warned = done + 1, warned + bool(result.warnings)
    if as_json:
        files = {"output": str(output), "failures_file": str(failed)}
        counts = {"predicted": done, "failed": reasons.total()}
        typer.echo(json.dumps(files | counts))
    else:
        note = f" ({warned} with a warning)" if warned else ""
        typer.echo(f"Predictions: {output}{note}   Failures: {failed}")
    return done, reasons


def _is_in(
    one: Record | Failure, predicted: set[str], failed: set[tuple[str, str]]
) -> bool:
    from pyg_sitenet.data.records import Record

    is_predicted = isinstance(one, Record) and one.id in predicted
    return is_predicted or (one.origin, one.id) in failed


def _headings(predictor: Predictor) -> list[str]:
    return ["id", "formula", *predictor.columns, "warnings"]


def _row(one: Prediction, predictor: Predictor) -> list[object]:
    values = [one.values[name] for name in predictor.description.targets]
    return [one.id, one.formula, *values, "; ".join(one.warnings)]
