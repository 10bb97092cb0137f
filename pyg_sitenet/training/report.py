"""What a run leaves for people: metrics, predictions, failures, figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch_geometric.data import Data

from pyg_sitenet.data.records import Failure
from pyg_sitenet.evaluation import score
from pyg_sitenet.prediction import column_name
from pyg_sitenet.training.figures import plot_learning_curve, plot_parity
from pyg_sitenet.training.run_folder import RunFolder

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Results:
    """Known and predicted values of one part of the data, each [N, T]."""

    truth: Array
    predicted: Array


def write_failures(folder: RunFolder, failures: Sequence[Failure]) -> None:
    """Write ``failures.csv``; without failures it has its header alone."""
    names = [field.name for field in fields(Failure)]
    with folder.failures.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(asdict(failure) for failure in failures)


def write_predictions(
    folder: RunFolder,
    graphs: Sequence[Data],
    test: Results,
    targets: Sequence[str],
    units: Mapping[str, str],
) -> None:
    """Write ``predictions.csv``: id, formula, known and predicted values."""
    table: dict[str, Any] = {
        "id": [data.id for data in graphs],
        "formula": [data.formula for data in graphs],
    }
    for t, target in enumerate(targets):
        name = column_name(target, dict(units))
        table[name] = test.truth[:, t]
        table[f"predicted {name}"] = test.predicted[:, t]
    pd.DataFrame(table).to_csv(folder.predictions, index=False, float_format="%.6g")


def target_metrics(
    test: Results,
    val: Results,
    baselines: Mapping[str, Array],
    targets: Sequence[str],
    units: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Return for each target its unit, errors on test and validation, and baselines."""
    return {
        target: {
            "unit": units.get(target, ""),
            "test": score(test.truth[:, t], test.predicted[:, t]),
            "val": score(val.truth[:, t], val.predicted[:, t]),
            "baselines": {
                name: {"test": score(test.truth[:, t], values[:, t])}
                for name, values in baselines.items()
            },
        }
        for t, target in enumerate(targets)
    }


def write_metrics(folder: RunFolder, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json``."""
    text = json.dumps(metrics, indent=2, allow_nan=False)
    folder.metrics.write_text(text + "\n", encoding="utf-8")


def draw_figures(
    folder: RunFolder,
    metrics: Mapping[str, Any],
    test: Results,
) -> None:
    """Draw the learning curve and the parity plot."""
    targets: Mapping[str, Any] = metrics["targets"]
    units = {name: one["unit"] for name, one in targets.items()}
    baselines = {
        name: {
            kind: scores["test"]["mae"]
            for kind, scores in one["baselines"].items()
            if scores["test"]["mae"] is not None
        }
        for name, one in targets.items()
    }
    plot_learning_curve(
        folder.figures / "learning_curve.png",
        metrics["history"],
        units,
        list(targets),
        best_epoch=metrics["best_epoch"],
        baselines=baselines,
    )
    plot_parity(
        folder.figures / "parity.png",
        test.truth,
        test.predicted,
        units,
        list(targets),
    )
