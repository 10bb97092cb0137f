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
from numpy.typing import ArrayLike

from pyg_sitenet.data.encoder import Item
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction import Prediction, Predictor, load_predictor
from pyg_sitenet.prediction.csv_file import CsvFile
from pyg_sitenet.prediction.lock import held
from pyg_sitenet.prediction.result_files import FAILURE_HEADINGS, failures_file
from pyg_sitenet.prediction.to_file import Watch
from pyg_sitenet.uncertainty import Calibration, Coverage, measure_coverage
from pyg_sitenet.uncertainty.figure import plot_calibration


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcome of :func:`evaluate`.

    Attributes:
        metrics: For each target its ``unit``, ``mae``, ``rmse`` and ``r2`` and, if the
            model was calibrated, the ``coverage`` of its intervals.
        ledger: How many crystals were used, and why the others were not.
    """

    metrics: dict[str, dict[str, Any]]
    ledger: Ledger


class Scores:
    """Known and predicted values of many crystals: three numbers of each are kept.

    Args:
        targets: Names of the values.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self._values = {name: (array("d"), array("d"), array("d")) for name in targets}

    def add(self, prediction: Prediction) -> None:
        """Take the values of a crystal, NaN of targets that are not known."""
        found = prediction.uncertainty
        spread = {} if found is None else found.members_std
        for name, (truth, predicted, std) in self._values.items():
            truth.append(prediction.targets.get(name, math.nan))
            predicted.append(prediction.values[name])
            std.append(spread.get(name, 0.0))

    def metrics(self, units: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return for each target its unit and its :func:`score`."""
        return {
            name: {"unit": units.get(name, "")} | score(truth, predicted)
            for name, (truth, predicted, _) in self._values.items()
        }

    def coverage(self, calibration: Calibration) -> dict[str, list[Coverage]]:
        """Return for each target what intervals at several levels do."""
        return {
            name: measure_coverage(calibration, name, *map(np.asarray, columns))
            for name, columns in self._values.items()
        }


def score(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float | None]:
    """Return MAE and RMSE (in the unit of the values) and R2; ``None`` if undefined.

    Crystals whose true value is NaN, not known, do not count.

    Shapes:
        - **truth, predicted:** :math:`(N)`

    Example:
        >>> score([1.0, 3.0], [1.0, 2.0])
        {'mae': 0.5, 'rmse': 0.7071067811865476, 'r2': 0.5}
    """
    values = np.asarray(truth, dtype=np.float64)
    known = ~np.isnan(values)
    error = (np.asarray(predicted, dtype=np.float64) - values)[known]
    values = values[known]
    if not values.size:
        return {"mae": None, "rmse": None, "r2": None}
    spread = float(((values - values.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / spread if spread > 0 else None,
    }


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
        source = open_source(source, names)
    records = source.entries() if isinstance(source, Source) else source
    complete = _with_targets(records, names)
    results = watch(predictor.predict_records(complete, workers=workers), 0)
    scores, ledger = Scores(names), Ledger()
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
            units = predictor.description.units
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
    path, names = Path(output), predictor.description.targets
    known = [f"known {column}" for column in predictor.columns]
    headings = ["id", "formula", *predictor.columns, *known]
    with ExitStack() as stack:
        stack.enter_context(held(path))
        rows = stack.enter_context(CsvFile(path, headings))
        failures = stack.enter_context(CsvFile(failures_file(path), FAILURE_HEADINGS))
        for one in results:
            if isinstance(one, Failure):
                failures.add(astuple(one))
            else:
                values = [one.values[name] for name in names]
                values += [one.targets.get(name, math.nan) for name in names]
                rows.add([one.id, one.formula, *values])
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
