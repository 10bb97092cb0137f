"""One fold of a benchmark: train, predict the test part, score, remember."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.config import Config
from pyg_sitenet.csv_file import read_csv
from pyg_sitenet.errors import ConfigError, DataError, SiteNetError
from pyg_sitenet.matbench.fold_scores import Kind, dummy_predictions, fold_scores
from pyg_sitenet.matbench.memory import peak_memory, reset_peak_memory
from pyg_sitenet.training.train import train

_FILE = "benchmark.json"
_RESUME = "with resume (--resume)"
# What may differ between the folds of one benchmark without a say in the result.
_FREE = ("workers", "loader_workers", "time_limit")


@dataclass(frozen=True, slots=True)
class FoldResult:
    """Outcome of a fold.

    Attributes:
        fold: From 0.
        scores: Of the test part, as the board defines them.
        dummy_scores: Of predicting the mean of the training part instead.
        predictions: Prediction for each id of the test part.
        num_crystals: Of the parts ``train``, ``val`` (taken from the training part of
            the fold) and ``test``, and of the crystals that could not be used.
        seconds: Of training and prediction; of the last session if it was resumed.
        is_resumed: Whether it was.
        peak_memory_mb: Largest resident memory of the process meanwhile.
        parameters: All settings.
    """

    fold: int
    scores: dict[str, float]
    dummy_scores: dict[str, float]
    predictions: dict[str, float]
    num_crystals: dict[str, int]
    seconds: float
    is_resumed: bool
    peak_memory_mb: float | None
    parameters: dict[str, Any]


def run_fold(
    fold: int,
    config: Config,
    folder: Path,
    splits: Mapping[str, Sequence[str]],
    truth: Mapping[str, float],
    kind: Kind,
    *,
    progress: bool,
    cache: str | Path | None,
    accelerator: str = "auto",
) -> FoldResult:
    """Train on a fold, or go on with it, and score its test part.

    A crystal that cannot be used is predicted as the mean of the training part: the
    board wants a value for each, and leaving it out would make the task easier.

    Args:
        fold: Its number.
        config: All settings.
        folder: The run folder of the fold.
        splits: Ids of the parts ``train``, ``val`` and ``test``.
        truth: Target of each id.
        kind: Kind of the task.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data.
        accelerator: Kind of device.
    """
    is_resumed = (folder / "config.yaml").is_file()
    reset_peak_memory()
    start = time.perf_counter()
    with _run_again():
        run = train(
            config, folder, resume=is_resumed, progress=progress, cache=cache,
            splits=splits, accelerator=accelerator,
        )  # fmt: skip
    training_values = [truth[id_] for id_ in (*splits["train"], *splits["val"])]
    test = splits["test"]
    predictions = _test_predictions(run.folder / "predictions.csv")
    dummy = dummy_predictions(training_values, len(test))
    predicted = np.array(
        [predictions.get(id_, mean) for id_, mean in zip(test, dummy, strict=True)]
    )
    if kind == "classification":
        predicted = predicted.clip(0, 1)
    values = [truth[id_] for id_ in test]
    result = FoldResult(
        fold=fold,
        scores=fold_scores(values, predicted, kind),
        dummy_scores=fold_scores(values, dummy, kind),
        predictions=dict(zip(test, predicted.tolist(), strict=True)),
        num_crystals=run.metrics["num_crystals"] | _count(test, predictions),
        seconds=time.perf_counter() - start,
        is_resumed=is_resumed,
        peak_memory_mb=peak_memory(),
        parameters=config.model_dump(mode="json"),
    )
    write_json(folder / _FILE, asdict(result))
    return result


@contextmanager
def _run_again() -> Iterator[None]:
    """Name the remedy of a benchmark where that of a training is to resume it."""
    try:
        yield
    except SiteNetError as error:
        text = str(error)
        remedy = "by running the benchmark again"
        if _RESUME not in text:
            raise
        raise type(error)(text.replace(_RESUME, remedy)) from error


def _count(test: Sequence[str], predictions: Mapping[str, float]) -> dict[str, int]:
    unusable = sum(id_ not in predictions for id_ in test)
    return {"test": len(test), "test_unusable": unusable}


def finished_fold(folder: Path, config: Config) -> FoldResult | None:
    """Return the result of a fold that was finished earlier, if it was.

    Raises:
        ConfigError: If it has other settings.
        DataError: If its file is damaged.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        result = TypeAdapter(FoldResult).validate_json(path.read_bytes())
    except ValueError as error:
        raise DataError(
            f"{path}: damaged; delete it to score the fold again"
        ) from error
    before, now = (
        _settings(result.parameters),
        _settings(config.model_dump(mode="json")),
    )
    for key in now:
        if before.get(key) != now[key]:
            raise ConfigError(
                f"{path}: this fold was trained with {key} = {before.get(key)!r}, not "
                f"{now[key]!r}; choose another output folder"
            )
    return result


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a file that is there as a whole or not at all."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False))


def _test_predictions(path: Path) -> dict[str, float]:
    headings, *rows = read_csv(path)
    # Of classes the last one, the probability of `true`.
    predicted = [k for k, h in enumerate(headings) if h.startswith("predicted ")][-1]
    place = headings.index("id")
    return {row[place]: float(row[predicted] or "nan") for row in rows}


def _settings(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, values in parameters.items()
        for key, value in values.items()
        if key not in _FREE
    }
