"""``sitenet evaluate``: a trained model against known values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .counts import end, report
from .loading import loading
from .options import Data, Device, Json, Model, OutputFile, Strict, Workers
from .terminal import CLASS_SCORES, chosen_device, counted, say, say_json, show_table

if TYPE_CHECKING:
    from pyg_sitenet.data.sources import Source
    from pyg_sitenet.prediction import Predictor


def evaluate(
    model: Model,
    data: Data,
    output: OutputFile = None,
    workers: Workers = None,
    strict: Strict = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compare a model's predictions with known values.

    Example: sitenet evaluate runs/gap new_crystals.csv
    """
    with loading():
        from pyg_sitenet.data.failures_file import failures_file
        from pyg_sitenet.evaluation import evaluate as evaluate_model
        from pyg_sitenet.evaluation.evaluate import open_labelled
        from pyg_sitenet.file_locks import check_not_input
        from pyg_sitenet.prediction import load_predictor

    predictor = load_predictor(model, chosen_device(device))
    if output is not None:
        check_not_input(output, [data])
    source = open_labelled(data, predictor.description)
    _tell_units(source, predictor)
    evaluation = evaluate_model(
        predictor,
        source,
        output,
        workers=workers or 0,
        run=model,
        watch=lambda results, _: counted(results, "Evaluating", source.count),
    )
    ledger = evaluation.ledger
    report(ledger, "evaluated", failures_file(output) if output else None)
    if as_json:
        counts = {"evaluated": ledger.used, "failed": ledger.failed}
        figures = {kind: str(path) for kind, path in evaluation.figures.items()}
        shown = {"metrics": evaluation.metrics} | counts | {"counts": ledger.counts()}
        say_json(shown | ({"figures": figures} if figures else {}))
    else:
        _show_errors(evaluation.metrics)
        _show_coverage(evaluation.metrics)
        if output is not None:
            drawn = "   ".join(map(str, evaluation.figures.values()))
            say(f"Rows: {output}   Figures: {drawn}")
    end(ledger, strict=strict)


def _tell_units(source: Source, predictor: Predictor) -> None:
    """Say which values are compared although the model states no unit of them."""
    model = predictor.description
    for name, unit in source.units.items():
        if unit and name in model.targets and not model.units.get(name):
            say(f"Note: {name}: stated in {unit}; the model has no unit", err=True)


def _show_errors(metrics: dict[str, dict[str, Any]]) -> None:
    numbers = [
        (name, *(target[key] for key in ("mae", "rmse", "r2", "unit")))
        for name, target in metrics.items()
        if "classes" not in target
    ]
    if numbers:
        show_table(["target", "MAE", "RMSE", "R2", "unit"], numbers)
    classes = [
        (name, *(target[key] for key in CLASS_SCORES))
        for name, target in metrics.items()
        if "classes" in target
    ]
    if classes:
        show_table(["classes of", *CLASS_SCORES.values()], classes)


def _show_coverage(metrics: dict[str, dict[str, Any]]) -> None:
    """Print what the intervals of a calibrated model do."""
    rows = [
        (name, *(f"{row[k]:.1%}" for k in ("level", "coverage")), row["mean_width"])
        for name, target in metrics.items()
        for row in target.get("coverage", ())
    ]
    if rows:
        show_table(["coverage of", "nominal", "measured", "mean width"], rows)
