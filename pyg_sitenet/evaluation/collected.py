"""What is kept of predictions to score them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs
from pyg_sitenet.prediction import Prediction
from pyg_sitenet.scores import target_scores
from pyg_sitenet.uncertainty import (
    Coverage,
    measure_coverage,
    measure_sets,
)

Array = NDArray[np.float64]


class Scores:
    """Known and predicted values of many crystals: a few numbers of each are kept.

    Args:
        layout: The outputs of the model.
    """

    def __init__(self, layout: OutputLayout) -> None:
        self._layout = layout
        self._truth = {target.name: array("d") for target in layout.targets}
        self._predicted = {name: array("d") for name in layout.outputs}
        self._std = {name: array("d") for name in layout.outputs}
        self._widening = array("d")

    def add(self, prediction: Prediction) -> None:
        """Take the values of a crystal, NaN of targets that are not known."""
        uncertainty = prediction.uncertainty
        spread = {} if uncertainty is None else uncertainty.members_std
        for name, truth in self._truth.items():
            truth.append(prediction.targets.get(name, math.nan))
        for name, predicted in self._predicted.items():
            predicted.append(prediction.values[name])
            self._std[name].append(spread.get(name, 0.0))
        self._widening.append(prediction.widening)

    def metrics(self, units: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return for each target its unit, or its classes, and its scores."""
        return {
            target.name: (
                {"classes": list(target.classes)}
                if target.classes
                else {"unit": units.get(target.name, "")}
            )
            | target_scores(*self._arrays(target), target.classes)
            for target in self._layout.targets
        }

    def coverage(self, description: ModelDescription) -> dict[str, list[Coverage]]:
        """Return for each target what intervals, or sets, at several levels do.

        Args:
            description: Of the model; without a calibration there are none.
        """
        calibration = description.calibration
        if calibration is None:
            return {}
        coverage = {}
        for target in self._layout.targets:
            truth, answers = self._arrays(target)
            if target.classes:
                coverage[target.name] = measure_sets(
                    calibration, target.name, truth, answers
                )
                continue
            std = np.asarray(self._std[target.name])
            coverage[target.name] = measure_coverage(
                calibration,
                target.name,
                truth,
                answers[:, 0],
                std,
                np.asarray(self._widening),
                description.target_ranges.get(target.name),
            )
        return coverage

    def num_known(self) -> dict[str, int]:
        """Return of how many crystals each target is known."""
        columns = {name: np.asarray(truth) for name, truth in self._truth.items()}
        return {name: int(np.isfinite(truth).sum()) for name, truth in columns.items()}

    def _arrays(self, target: TargetOutputs) -> tuple[Array, Array]:
        """Return the truth [N] and the answers, a column for each output."""
        columns = [np.asarray(self._predicted[name]) for name in target.outputs]
        return np.asarray(self._truth[target.name]), np.stack(columns, axis=1)

    def arrays(self) -> tuple[Array, Array]:
        """Return the truth [N, T] and the answers [N, T_out] of all targets."""
        truth, answers = zip(*map(self._arrays, self._layout.targets), strict=True)
        return np.stack(truth, axis=1), np.concatenate(answers, axis=1)
