"""How well a ready model does on its test part, and the intervals from half of it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ready_model_facts import Facts

from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.data.sources import Entry, open_source
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.prediction import Prediction, Predictor
from pyg_sitenet.scores import score
from pyg_sitenet.uncertainty import Calibration, calibrate, measure_coverage

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Known and predicted values of crystals, [N] each, in the unit of the target.

    Attributes:
        truth: Known.
        predicted: Predicted.
        spread: By how much members disagree.
        widening: How much wider the interval is than that of an ordinary crystal.
    """

    truth: Array
    predicted: Array
    spread: Array
    widening: Array

    def part(self, rows: NDArray[np.int64]) -> Answers:
        """Return those of some crystals."""
        columns = (self.truth, self.predicted, self.spread, self.widening)
        return Answers(*(column[rows] for column in columns))


def natural(value: float, facts: Facts) -> float:
    """Return a value of the task in the unit of the ready model."""
    return 10.0**value if facts.is_log else value


def test_part(
    run: Path, trained: ModelDescription, test: str | None
) -> tuple[str, list[str]]:
    """Return a source and the ids of the crystals to test, in their order.

    They are those that the run tested, of a task crystals of the test part of fold 0.
    """
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    if test is not None:
        task = MATBENCH[test.partition(":")[0]]
        _, rows = task.folds(np.zeros(task.num_crystals))[0]
        others = set(ids) - {task.id_of_row(row) for row in rows}
        if others:
            raise SystemExit(
                f"{run}: tested {len(others)} crystals that are not in the test part "
                f"of fold 0 of {task.name}"
            )
    return test or trained.config.data.source, ids


def entries_of(source: str, targets: Sequence[str]) -> Iterator[Entry]:
    """Yield what can be read of a source."""
    for entry in open_source(source, targets).entries():
        if isinstance(entry, Entry):
            yield entry


def predict(
    predictor: Predictor,
    trained: ModelDescription,
    facts: Facts,
    source: str,
    ids: Sequence[str],
) -> Answers:
    """Predict the crystals of these ids; what cannot be used is left out."""
    wanted = set(ids)
    # A task has its target under its own name, a file of its crystals under another.
    targets = trained.targets
    if source.partition(":")[0] in MATBENCH:
        targets = (MATBENCH[source.partition(":")[0]].target,)
    entries = (e for e in entries_of(source, targets) if e.id in wanted)
    results = {
        result.id: result
        for result in predictor.predict_records(entries, workers=0)
        if isinstance(result, Prediction)
    }
    rows = []
    for id_ in ids:
        if id_ in results:
            result = results[id_]
            deviation = result.uncertainty
            spread = (
                0.0
                if deviation is None
                else deviation.members_std.get(facts.target, 0.0)
            )
            truth = natural(result.targets[targets[0]], facts)
            predicted = result.values[facts.target]
            rows.append((truth, predicted, spread, result.widening))
    return Answers(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


def calibrate_on_half(
    test: Answers, target: str, floor: float | None
) -> tuple[Calibration, list[dict[str, Any]]]:
    """Calibrate on a random half of the test part, measure on the other."""
    order = np.random.default_rng(0).permutation(len(test.truth))
    first, second = (test.part(rows) for rows in np.array_split(order, 2))
    exact = calibrate(
        {target: first.truth},
        {target: first.predicted},
        None if floor is None else {target: first.spread},
        None if floor is None else {target: floor},
        first.widening,
    )
    short = [[float(f"{s:.6g}") for s in group] for group in exact.scores[target]]
    calibration = exact.model_copy(
        update={"scores": {target: tuple(map(tuple, short))}}
    )
    spread = None if floor is None else second.spread
    return calibration, measure_coverage(
        calibration, target, second.truth, second.predicted, spread, second.widening
    )


def measure(
    trained: ModelDescription, facts: Facts, test: Answers, coverage: list[Any]
) -> dict[str, Any]:
    """Return the metrics: those of the first run, with the test error measured anew."""
    run = trained.metrics
    scores = run["targets"][trained.targets[0]]
    own = {
        "unit": facts.unit,
        "test": score(test.truth, test.predicted),
        "baselines": {} if facts.is_log else scores["baselines"],
        "coverage": coverage,
    }
    if facts.is_log:
        own["learnt"] = {
            "unit": scores["unit"],
            "test": score(np.log10(test.truth), np.log10(test.predicted)),
            "baselines": scores["baselines"],
        }
    return {
        "targets": {facts.target: own},
        "num_crystals": run["num_crystals"] | {"test": len(test.truth)},
        "num_parameters": run["num_parameters"],
        "epochs": run["epochs"],
        "best_epoch": run["best_epoch"],
    }
