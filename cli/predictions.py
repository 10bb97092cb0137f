"""How predictions are shown: as a table, as JSON, or by the files that hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import say, say_json, show_table

if TYPE_CHECKING:
    import pandas as pd

    from pyg_sitenet.data.ledger import Ledger
    from pyg_sitenet.data.records import Failure
    from pyg_sitenet.prediction import Prediction, Predictor
    from pyg_sitenet.prediction.joint import JointPredictor

_SHOWN = ["trajectory", "target", "frames", "mean", "standard error", "std"]


def show_predictions(
    results: Sequence[Prediction | Failure],
    predictor: Predictor | JointPredictor,
    *,
    as_json: bool,
    statistics: bool,
) -> Ledger:
    """Print a table, or one JSON text, and return the counts."""
    from pyg_sitenet.data.ledger import Ledger
    from pyg_sitenet.data.records import Failure

    ledger = Ledger()
    for result in results:
        ledger.add(result)
    predictions = [result for result in results if not isinstance(result, Failure)]
    table = _statistics(predictions, predictor) if statistics else None
    if as_json:
        failures = [result for result in results if isinstance(result, Failure)]
        document: dict[str, object] = {"units": predictor.units}
        document["predictions"] = [_as_json(prediction) for prediction in predictions]
        document["failures"] = [asdict(failure) for failure in failures]
        document["counts"] = ledger.counts()
        if table is not None:
            document["statistics"] = json.loads(table.to_json(orient="records"))
        say_json(document)
    else:
        _show_rows(predictions, predictor)
        if table is not None:
            _show_statistics(table)
    return ledger


def show_files(
    output: Path,
    predictor: Predictor | JointPredictor,
    ledger: Ledger,
    *,
    as_json: bool,
    statistics: bool,
) -> None:
    """Say where the predictions are, and summarise all of them if that is wanted."""
    from pyg_sitenet.csv_file import write_table
    from pyg_sitenet.data.failures_file import failures_file
    from pyg_sitenet.prediction import frame_statistics
    from pyg_sitenet.prediction.file.result_files import run_file
    from pyg_sitenet.prediction.trajectory.frames import statistics_file

    files = {"output": output, "failures_file": failures_file(output)}
    files["run_file"] = run_file(output)
    if statistics:
        files["statistics_file"] = statistics_file(output)
        table = frame_statistics(output, predictor.columns)
        write_table(files["statistics_file"], table)
    if as_json:
        names = {kind: str(path) for kind, path in files.items()}
        counts = {"predicted": ledger.used, "failed": ledger.failed}
        say_json(names | counts | {"counts": ledger.counts()})
        return
    note = f" ({ledger.warned} with a warning)" if ledger.warned else ""
    say(f"Predictions: {output}{note}   Failures: {files['failures_file']}")
    if statistics:
        _show_statistics(table)
        say(f"Statistics: {files['statistics_file']}")


def _show_rows(
    predictions: Sequence[Prediction], predictor: Predictor | JointPredictor
) -> None:
    if predictions:
        rows = [predictor.row(prediction)[:-1] for prediction in predictions]
        show_table(predictor.headings()[:-1], rows)
    for prediction in predictions:
        for warning in prediction.warnings:  # too long for a column
            say(f"warning: {prediction.id}: {warning}")


def _statistics(
    predictions: Sequence[Prediction], predictor: Predictor | JointPredictor
) -> pd.DataFrame:
    import pandas as pd

    from pyg_sitenet.prediction import frame_statistics

    columns = predictor.columns
    rows = [(p.id, p.formula, *p.values.values()) for p in predictions]
    table = pd.DataFrame(rows, columns=["id", "formula", *columns])
    return frame_statistics(table, columns)


def _show_statistics(table: pd.DataFrame) -> None:
    if table.empty:
        say(
            "No trajectory: no two frames of one formula have ids such as run@0 and "
            "run@1; frames with ids of their own are not summarised"
        )
    else:
        show_table(_SHOWN, table[_SHOWN].itertuples(index=False))


def _as_json(prediction: Prediction) -> dict[str, object]:
    keys = ("id", "formula", "values", "warnings")
    document: dict[str, object] = {key: getattr(prediction, key) for key in keys}
    if prediction.novelty is not None:
        document["novelty"] = prediction.novelty
    if prediction.labels:
        document["labels"] = prediction.labels
    if prediction.spread:
        document["spread"] = asdict(prediction.spread)
    if prediction.uncertainty:
        document["uncertainty"] = asdict(prediction.uncertainty)
    return document
