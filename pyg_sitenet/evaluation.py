"""How good predictions are: scores, and a trained model against measured values."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.data.encoder import Item
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs
from pyg_sitenet.prediction import (
    Prediction,
    Predictor,
    column_name,
    load_predictor,
)
from pyg_sitenet.prediction.csv_file import CsvFile
from pyg_sitenet.prediction.lock import held
from pyg_sitenet.prediction.result_files import FAILURE_HEADINGS, failures_file
from pyg_sitenet.prediction.rows import answer_cells, answer_columns, known_cells
from pyg_sitenet.prediction.to_file import Watch
from pyg_sitenet.scores import score, target_scores
from pyg_sitenet.uncertainty import (
    Calibration,
    Coverage,
    measure_coverage,
    measure_sets,
)
from pyg_sitenet.uncertainty.figure import plot_calibration

__all__ = ["Evaluation", "Scores", "calibration_figure", "evaluate", "score"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcome of :func:`evaluate`.

    Attributes:
        metrics: For each target its ``unit``, ``mae``, ``rmse`` and ``r2``, or its
            ``classes`` and what :func:`~pyg_sitenet.scores.class_score` gives; if the
            model was calibrated, also the ``coverage`` of its intervals or sets.
        ledger: How many crystals were used, and why the others were not.
    """

    metrics: dict[str, dict[str, Any]]
    ledger: Ledger


class Scores:
    """Known and predicted values of many crystals: a few numbers of each are kept.

    Args:
        layout: The outputs of the model.
    """

    def __init__(self, layout: OutputLayout) -> None:
        self._layout = layout
        self._truth = {one.name: array("d") for one in layout.targets}
        self._predicted = {name: array("d") for name in layout.outputs}
        self._std = {name: array("d") for name in layout.outputs}

    def add(self, prediction: Prediction) -> None:
        """Take the values of a crystal, NaN of targets that are not known."""
        found = prediction.uncertainty
        spread = {} if found is None else found.members_std
        for name, truth in self._truth.items():
            truth.append(prediction.targets.get(name, math.nan))
        for name, predicted in self._predicted.items():
            predicted.append(prediction.values[name])
            self._std[name].append(spread.get(name, 0.0))

    def metrics(self, units: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return for each target its unit, or its classes, and its scores."""
        return {
            one.name: (
                {"classes": list(one.classes)}
                if one.classes
                else {"unit": units.get(one.name, "")}
            )
            | target_scores(*self.arrays(one), one.classes)
            for one in self._layout.targets
        }

    def coverage(self, calibration: Calibration) -> dict[str, list[Coverage]]:
        """Return for each target what intervals, or sets, at several levels do."""
        found = {}
        for one in self._layout.targets:
            truth, answers = self.arrays(one)
            if one.classes:
                found[one.name] = measure_sets(calibration, one.name, truth, answers)
                continue
            std = np.asarray(self._std[one.name])
            rows = measure_coverage(calibration, one.name, truth, answers[:, 0], std)
            found[one.name] = rows
        return found

    def arrays(self, target: TargetOutputs) -> tuple[Array, Array]:
        """Return the truth [N] and the answers, a column for each output."""
        columns = [np.asarray(self._predicted[name]) for name in target.outputs]
        return np.asarray(self._truth[target.name]), np.stack(columns, axis=1)


def evaluate(
    model: str | Path | Predictor,
    source: str | Path | Source | Iterable[Item],
    output: str | Path | None = None,
    *,
    workers: int | None = None,
    watch: Watch = lambda results, _: results,
) -> Evaluation:
    """Compare a model's predictions with the known values of a data set.

    Args:
        model: A model file, a run folder or a loaded predictor.
        source: Anything that ``sitenet train`` takes as data, or records.
        output: CSV file for predicted and known values; what could not be used goes to
            a file beside it, as does the calibration figure of a calibrated model.
        workers: Other processes that read and encode crystals, 0 for one per core; by
            default this one does it.
        watch: See :func:`~pyg_sitenet.prediction.predict_to_file`.

    Raises:
        ModelFileError: If the model cannot be loaded.
        DataError: If no crystal of the source can be used, or the output cannot be
            written.
    """
    predictor = model if isinstance(model, Predictor) else load_predictor(model)
    names = predictor.description.targets
    if isinstance(source, (str, Path)):
        source = open_source(source, names, classes=predictor.description.classes)
    records = source.entries() if isinstance(source, Source) else source
    complete = _with_targets(records, names)
    results = watch(predictor.predict_records(complete, workers=workers), 0)
    layout = predictor.description.layout
    scores, ledger = Scores(layout), Ledger()
    for result in _written(results, predictor, output):
        ledger.add(result)
        if not isinstance(result, Failure):
            scores.add(result)
    if not ledger.used:
        name = source.name if isinstance(source, Source) else "the records"
        raise DataError(f"{name}: {_explain_nothing(ledger)}")
    metrics = scores.metrics(predictor.description.units)
    calibration = predictor.description.calibration
    if calibration is not None:
        coverage = scores.coverage(calibration)
        for name, rows in coverage.items():
            metrics[name]["coverage"] = rows
        if output is not None:
            counts = dict.fromkeys(names, ledger.used)
            units = dict(predictor.description.units)
            units |= dict.fromkeys(predictor.description.classes, "classes")
            plot_calibration(calibration_figure(output), coverage, counts, units)
    return Evaluation(metrics, ledger)


def calibration_figure(output: str | Path) -> Path:
    """Return where the calibration figure goes that belongs to a file of rows."""
    return Path(output).with_name(f"{Path(output).stem}_calibration.png")


def _written(
    results: Iterable[Prediction | Failure],
    predictor: Predictor,
    output: str | Path | None,
) -> Iterator[Prediction | Failure]:
    """Pass results on, and write them if they are wanted in a file."""
    if output is None:
        yield from results
        return
    path, description = Path(output), predictor.description
    columns = answer_columns(description)
    known = [
        f"known {column_name(one, description.units)}" for one in description.targets
    ]
    headings = ["id", "formula", *columns, *known]
    with ExitStack() as stack:
        stack.enter_context(held(path))
        rows = stack.enter_context(CsvFile(path, headings))
        failures = stack.enter_context(CsvFile(failures_file(path), FAILURE_HEADINGS))
        for one in results:
            if isinstance(one, Failure):
                failures.add(astuple(one))
            else:
                values = answer_cells(one, description)
                rows.add([one.id, one.formula, *values, *known_cells(one, description)])
            yield one


def _explain_nothing(ledger: Ledger) -> str:
    text = "no crystal can be evaluated"
    if not ledger.failed:
        return text
    _, number, reason, _ = ledger.rows()[0]
    return f"{text}; {number} of {ledger.failed} failures: {reason}"


def _with_targets(records: Iterable[Item], names: Sequence[str]) -> Iterator[Item]:
    for record in records:
        if isinstance(record, Failure) or _knows_any(record.targets, names):
            yield record
            continue
        yield Failure(
            origin=record.origin,
            id=record.id,
            stage="target",
            reason=f"no value of {', '.join(names)}",
            remedy="add the value or leave the crystal out",
        )


def _knows_any(targets: Mapping[str, float], names: Sequence[str]) -> bool:
    return any(not math.isnan(targets.get(name, math.nan)) for name in names)
