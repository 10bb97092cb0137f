"""``sitenet predict``: structures in, a table of predictions out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .counts import end, report
from .options import (
    DATA_HELP,
    Disorder,
    DisorderSeed,
    Json,
    Model,
    Orderings,
    OutputFile,
    Ray,
    Strict,
    Workers,
)
from .terminal import counted, say, show_table

if TYPE_CHECKING:
    import pandas as pd

    from pyg_sitenet.data.ledger import Ledger
    from pyg_sitenet.data.records import Failure
    from pyg_sitenet.data.sources import Source
    from pyg_sitenet.prediction import Prediction, Predictor
    from pyg_sitenet.prediction.file.to_file import Watch

Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help=f"Each one structure file, or {DATA_HELP}"),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a prediction that was stopped.")
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Start again in place of one that was stopped."),
]
Level = Annotated[
    float | None,
    typer.Option(
        metavar="P", help="Add an interval that holds the true value with P, as 0.9."
    ),
]
Statistics = Annotated[
    bool,
    typer.Option(
        "--statistics", help="Also mean and standard error over a trajectory's frames."
    ),
]


def predict(
    model: Model,
    inputs: Inputs,
    output: OutputFile = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    disorder: Disorder = None,
    orderings: Orderings = None,
    seed: DisorderSeed = None,
    level: Level = None,
    statistics: Statistics = False,
    workers: Workers = None,
    ray: Ray = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Predict the properties of structures.

    An input that cannot be used is reported with the reason, and the rest is done. With
    --output the rows are written as they come, and the failures to a file beside them;
    stopped at any moment, --resume goes on. With --disorder sample, a crystal with
    partly occupied sites gets the mean over ordered supercells, and their spread. With
    --ray it is computed on a cluster, and the files are written here.

    Example: sitenet predict runs/gap my_structures/ --output gaps.csv
    """
    _check_options(output, resume=resume, overwrite=overwrite)
    from pyg_sitenet.data.sources import open_source
    from pyg_sitenet.prediction import load_predictor, predict_to_file
    from pyg_sitenet.prediction.file.result_files import check_not_input
    from pyg_sitenet.prediction.windows_on_cluster import predict_stream
    from pyg_sitenet.workers.cluster import open_cluster

    predictor = load_predictor(
        model,
        disorder=disorder,
        orderings=orderings,
        disorder_seed=seed,
        level=level,
    )
    source = open_source(inputs)
    if output is not None:
        check_not_input(output, inputs)
    with open_cluster(ray, workers or 0) as cluster:
        if output is None:
            found = predict_stream(predictor, source.entries(), workers or 0, cluster)
            results = list(counted(found, "Predicting", source.count))
            ledger = _show(results, predictor, as_json, statistics)
        else:
            ledger = predict_to_file(
                predictor,
                source,
                output,
                resume=resume,
                overwrite=overwrite,
                workers=workers or 0,
                cluster=cluster,
                watch=_watch(source),
            )
            _say_where(output, ledger, as_json, statistics)
    if output is not None and statistics:
        _write_statistics(output, predictor, as_json)
    _end(inputs, output, ledger, strict)


def _end(inputs: list[str], output: Path | None, ledger: Ledger, strict: bool) -> None:
    """Tell the counts, and fail if nothing was predicted."""
    from pyg_sitenet.data.failures_file import failures_file
    from pyg_sitenet.errors import DataError

    report(ledger, "predicted", failures_file(output) if output else None)
    if not ledger.read:
        raise DataError(f"{', '.join(inputs)}: no crystal in it; name other inputs")
    if not ledger.used:
        raise typer.Exit(1)
    end(ledger, strict=strict)


def _check_options(output: Path | None, *, resume: bool, overwrite: bool) -> None:
    if output is None and (resume or overwrite):
        name = "--resume" if resume else "--overwrite"
        raise typer.BadParameter(f"{name} needs the --output file of the prediction")
    if resume and overwrite:
        raise typer.BadParameter("give either --resume or --overwrite, not both")


def _watch(source: Source) -> Watch:
    """Count for a person who is watching."""
    return lambda found, done: counted(found, "Predicting", source.count, done)


def _show(
    results: list[Prediction | Failure],
    predictor: Predictor,
    as_json: bool,
    statistics: bool,
) -> Ledger:
    """Show what fits on a screen, or print one JSON text."""
    from pyg_sitenet.data.ledger import Ledger
    from pyg_sitenet.data.records import Failure
    from pyg_sitenet.prediction.columns import file_headings, file_row

    ledger = Ledger()
    for one in results:
        ledger.add(one)
    description = predictor.description
    predictions = [one for one in results if not isinstance(one, Failure)]
    if as_json:
        failures = [one for one in results if isinstance(one, Failure)]
        shown = _as_json(predictions, failures, ledger)
        if statistics:
            table = _statistics_of(predictions, predictor)
            shown["statistics"] = json.loads(table.to_json(orient="records"))
        typer.echo(json.dumps({"units": description.units} | shown))
    else:
        spread, level = predictor.orders, predictor.level
        rows = [file_row(one, description, with_spread=spread) for one in predictions]
        *headings, _ = file_headings(description, with_spread=spread, level=level)
        if rows:
            show_table(headings, [row[:-1] for row in rows])
        for one in predictions:
            for warning in one.warnings:  # too long for a column
                say(f"warning: {one.id}: {warning}")
        if statistics:
            _show_statistics(_statistics_of(predictions, predictor))
    return ledger


def _statistics_of(predictions: list[Prediction], predictor: Predictor) -> pd.DataFrame:
    import pandas as pd

    from pyg_sitenet.prediction import frame_statistics
    from pyg_sitenet.prediction.columns import table_row

    description, columns = predictor.description, predictor.columns
    rows = [table_row(one, description) for one in predictions]
    table = pd.DataFrame(rows, columns=["id", "formula", *columns])
    return frame_statistics(table, columns)


def _write_statistics(output: Path, predictor: Predictor, as_json: bool) -> None:
    """Summarise the file of rows, which holds what an earlier part wrote too."""
    from pyg_sitenet.csv_file import write_table
    from pyg_sitenet.prediction import frame_statistics
    from pyg_sitenet.prediction.trajectory.frames import statistics_file

    table = frame_statistics(output, predictor.columns)
    path = statistics_file(output)
    write_table(path, table)
    if not as_json:
        _show_statistics(table)
        say(f"Statistics: {path}")


def _show_statistics(table: pd.DataFrame) -> None:
    if table.empty:
        say("No trajectory: no file with several frames of one formula")
        return
    shown = ["trajectory", "target", "frames", "mean", "standard error", "std"]
    show_table(shown, table[shown].itertuples(index=False))


def _as_json(
    predictions: list[Prediction], failures: list[Failure], ledger: Ledger
) -> dict[str, object]:
    keep = ("id", "formula", "values", "warnings")
    return {
        "predictions": [
            {key: getattr(one, key) for key in keep}
            | ({"labels": one.labels} if one.labels else {})
            | ({"spread": asdict(one.spread)} if one.spread else {})
            | ({"uncertainty": asdict(one.uncertainty)} if one.uncertainty else {})
            for one in predictions
        ],
        "failures": [asdict(one) for one in failures],
        "counts": ledger.counts(),
    }


def _say_where(output: Path, ledger: Ledger, as_json: bool, statistics: bool) -> None:
    from pyg_sitenet.data.failures_file import failures_file
    from pyg_sitenet.prediction.file.result_files import run_file
    from pyg_sitenet.prediction.trajectory.frames import statistics_file

    failed = failures_file(output)
    if as_json:
        files = {
            "output": str(output),
            "failures_file": str(failed),
            "run_file": str(run_file(output)),
        }
        if statistics:
            files["statistics_file"] = str(statistics_file(output))
        counts = {"predicted": ledger.used, "failed": ledger.failed}
        typer.echo(json.dumps(files | counts | {"counts": ledger.counts()}))
    else:
        warned = ledger.warned
        note = f" ({warned} with a warning)" if warned else ""
        say(f"Predictions: {output}{note}   Failures: {failed}")
