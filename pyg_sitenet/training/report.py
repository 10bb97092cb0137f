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

from pyg_sitenet.config import Config
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.records import Failure
from pyg_sitenet.domain import measure_domain
from pyg_sitenet.evaluation import score
from pyg_sitenet.model_file import ModelDescription, library_versions
from pyg_sitenet.prediction import column_name
from pyg_sitenet.training.baselines import fit_baselines
from pyg_sitenet.training.callbacks import History
from pyg_sitenet.training.figures import plot_learning_curve, plot_parity
from pyg_sitenet.training.run_folder import RunFolder
from pyg_sitenet.uncertainty import Calibration

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What is known when training is over.

    Attributes:
        config: All settings.
        units: Unit of each target that has one.
        crystals: The parts ``train``, ``val``, ``calibration`` and ``test``, read as
            they are needed.
        predicted: Predictions for all parts but ``train``, each [N, T] in target units.
        history: Errors of every epoch.
        num_failed: Inputs that could not be used.
        num_parameters: Of the model.
        spread: Standard deviation of an ensemble's members, as ``predicted``.
    """

    config: Config
    units: Mapping[str, str]
    crystals: Mapping[str, CrystalDataset]
    predicted: Mapping[str, Array]
    history: History
    num_failed: int
    num_parameters: int
    spread: Mapping[str, Array] | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return self.config.data.targets

    def truth(self, part: str) -> Array:
        """Return the known values of a part, [N, T]."""
        values: Array = self.crystals[part].y.double().numpy()
        return values


def summarise(outcome: Outcome) -> dict[str, Any]:
    """Return the metrics of a run, those of the baselines beside the model's."""
    sizes = {name: len(part) for name, part in outcome.crystals.items()}
    if not sizes["calibration"]:  # a part that few runs have
        del sizes["calibration"]
    return {
        "targets": _target_metrics(outcome),
        "num_crystals": sizes | {"failed": outcome.num_failed},
        "num_parameters": outcome.num_parameters,
        "epochs": len(outcome.history.epochs),
        "best_epoch": outcome.history.best_epoch,
        "notes": _notes(sizes),
    }


def describe(
    outcome: Outcome,
    metrics: Mapping[str, Any],
    calibration: Calibration | None = None,
) -> ModelDescription:
    """Return what the model file says about the model."""
    targets, y = outcome.targets, outcome.truth("train")
    elements = {z for data in outcome.crystals["train"] for z in data.z.tolist()}
    return ModelDescription(
        config=outcome.config,
        targets=targets,
        units={name: outcome.units[name] for name in targets if name in outcome.units},
        elements=tuple(sorted(elements)),
        target_ranges=_ranges(targets, y),
        domain=measure_domain(outcome.crystals["train"]),
        versions=library_versions(),
        metrics=dict(metrics),
        members=outcome.config.training.members,
        calibration=calibration,
    )


def _ranges(targets: Sequence[str], y: Array) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest known value of each target that has one."""
    known = {name: y[~np.isnan(y[:, t]), t] for t, name in enumerate(targets)}
    return {
        name: (float(values.min()), float(values.max()))
        for name, values in known.items()
        if len(values)
    }


def write_failures(folder: RunFolder, failures: Sequence[Failure]) -> None:
    """Write ``failures.csv``; without failures it has its header alone."""
    names = [field.name for field in fields(Failure)]
    with folder.failures.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(asdict(failure) for failure in failures)


def write_predictions(folder: RunFolder, outcome: Outcome) -> None:
    """Write ``predictions.csv``: id, formula, known and predicted values."""
    crystals, truth = outcome.crystals["test"], outcome.truth("test")
    names = [(data.id, data.formula) for data in crystals]
    table: dict[str, Any] = {
        "id": [id_ for id_, _ in names],
        "formula": [formula for _, formula in names],
    }
    for t, target in enumerate(outcome.targets):
        name = column_name(target, outcome.units)
        table[name] = truth[:, t]
        table[f"predicted {name}"] = outcome.predicted["test"][:, t]
        if outcome.spread is not None:
            table[f"spread {name}"] = outcome.spread["test"][:, t]
    pd.DataFrame(table).to_csv(folder.predictions, index=False, float_format="%.6g")


def write_metrics(folder: RunFolder, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json``."""
    text = json.dumps(metrics, indent=2, allow_nan=False)
    folder.metrics.write_text(text + "\n", encoding="utf-8")


def draw_figures(
    folder: RunFolder, outcome: Outcome, metrics: Mapping[str, Any]
) -> None:
    """Draw the learning curve and the parity plot."""
    baselines = {
        target: {
            name: scores["test"]["mae"]
            for name, scores in found["baselines"].items()
            if scores["test"]["mae"] is not None
        }
        for target, found in metrics["targets"].items()
    }
    plot_learning_curve(
        folder.figures / "learning_curve.png",
        outcome.history.epochs,
        outcome.units,
        outcome.targets,
        best_epoch=outcome.history.best_epoch,
        baselines=baselines,
    )
    plot_parity(
        folder.figures / "parity.png",
        outcome.truth("test"),
        outcome.predicted["test"],
        outcome.units,
        outcome.targets,
    )


def _target_metrics(outcome: Outcome) -> dict[str, dict[str, Any]]:
    crystals, predicted = outcome.crystals, outcome.predicted
    truth = {part: outcome.truth(part) for part in ("val", "test")}
    seed = outcome.config.training.seed
    baselines = fit_baselines(crystals["train"], crystals["test"], seed)
    return {
        target: {
            "unit": outcome.units.get(target, ""),
            "test": score(truth["test"][:, t], predicted["test"][:, t]),
            "val": score(truth["val"][:, t], predicted["val"][:, t]),
            "baselines": {
                name: {"test": score(truth["test"][:, t], values[:, t])}
                for name, values in baselines.items()
            },
        }
        for t, target in enumerate(outcome.targets)
    }


def _notes(sizes: Mapping[str, int]) -> list[str]:
    reasons = {
        "val": "no validation crystals: the weights are those of the last epoch",
        "test": "no test crystals: the test errors are null",
    }
    return [
        f"{reason} ({sum(sizes.values())} crystals in all, see data.{name}_fraction)"
        for name, reason in reasons.items()
        if not sizes[name]
    ]
