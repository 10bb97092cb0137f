"""How good predictions are: scores, and a trained model against measured values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction import Prediction, Predictor, load_predictor


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Outcome of :func:`evaluate`.

    Attributes:
        metrics: For each target its ``unit``, ``mae``, ``rmse`` and ``r2``.
        predictions: One per usable crystal, with its known values as ``targets``.
        failures: The crystals that could not be used.
    """

    metrics: dict[str, dict[str, Any]]
    predictions: list[Prediction]
    failures: list[Failure]


def score(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float | None]:
    """Return MAE and RMSE (in the unit of the values) and R2; ``None`` if undefined.

    Shapes:
        - **truth, predicted:** :math:`(N)`

    Example:
        >>> score([1.0, 3.0], [1.0, 2.0])
        {'mae': 0.5, 'rmse': 0.7071067811865476, 'r2': 0.5}
    """
    truth = np.asarray(truth, dtype=np.float64)
    error = np.asarray(predicted, dtype=np.float64) - truth
    if not truth.size:
        return {"mae": None, "rmse": None, "r2": None}
    spread = float(((truth - truth.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / spread if spread > 0 else None,
    }


def evaluate(
    model: str | Path | Predictor, source: str | Path | Iterable[Record | Failure]
) -> Evaluation:
    """Compare a model's predictions with the known values of a data set.

    Args:
        model: A model file, a run folder or a loaded predictor.
        source: Anything that ``sitenet train`` takes as data, or records.

    Raises:
        ModelFileError: If the model cannot be loaded.
        DataError: If no crystal of the source can be used.
    """
    predictor = model if isinstance(model, Predictor) else load_predictor(model)
    names = predictor.description.targets
    records = open_source(source, names) if isinstance(source, (str, Path)) else source
    predictions: list[Prediction] = []
    failures: list[Failure] = []
    for result in predictor.predict_records(_with_targets(records, names)):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            predictions.append(result)
    if not predictions:
        origin = source if isinstance(source, (str, Path)) else "the records"
        raise DataError(f"{origin}: {_explain_nothing(failures)}")
    return Evaluation(_score_all(predictor, predictions), predictions, failures)


def _explain_nothing(failures: Sequence[Failure]) -> str:
    text = "no crystal can be evaluated"
    if not failures:
        return text
    return f"{text}; the first of {len(failures)} failures: {failures[0].reason}"


def _with_targets(
    records: Iterable[Record | Failure], names: Sequence[str]
) -> Iterator[Record | Failure]:
    for record in records:
        missing = (
            [name for name in names if name not in record.targets]
            if isinstance(record, Record)
            else []
        )
        if not missing or isinstance(record, Failure):
            yield record
            continue
        yield Failure(
            origin=record.origin,
            id=record.id,
            stage="target",
            reason=f"no value of {', '.join(missing)}",
            remedy="add the value or leave the crystal out",
        )


def _score_all(
    predictor: Predictor, predictions: Sequence[Prediction]
) -> dict[str, dict[str, Any]]:
    units = predictor.description.units
    return {
        name: {"unit": units.get(name, "")}
        | score(
            [one.targets[name] for one in predictions],
            [one.values[name] for one in predictions],
        )
        for name in predictor.description.targets
    }
