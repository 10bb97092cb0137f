"""From the numbers that a model answers for a crystal to its prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.records import Failure
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.novelty import (
    RARE,
    Crystal,
    NoveltyMeasure,
    crystal_features,
)
from pyg_sitenet.prediction.answers import Answer
from pyg_sitenet.prediction.columns import Prediction
from pyg_sitenet.prediction.intervals import Intervals
from pyg_sitenet.prediction.out_of_domain import OutOfDomain
from pyg_sitenet.prediction.spread import average


class ResultBuilder:
    """Averages over orderings, and adds intervals, classes and warnings.

    Args:
        description: Of the model.
        level: Share of crystals whose true value is to lie in the interval; None for
            no intervals.
    """

    def __init__(self, description: ModelDescription, level: float | None) -> None:
        self._layout = description.layout
        self._out_of_domain = OutOfDomain(description)
        self._intervals = Intervals(description, level)
        record = description.novelty
        self._novelty = None if record is None else NoveltyMeasure(record)

    @property
    def level(self) -> float | None:
        """Share of crystals whose true value is to lie in the intervals, if any."""
        return self._intervals.level

    def result(
        self, crystal: Encoded, answers: Sequence[Answer]
    ) -> Prediction | Failure:
        """Return the prediction, or a failure if it is not finite.

        Args:
            crystal: The crystal.
            answers: For each of its graphs the values and, of an ensemble, the standard
                deviations of its members; and its vector.
        """
        rows = [answer.values for answer in answers]
        if not all(math.isfinite(value) for row in rows for value in row):
            reason = "the prediction is not a finite number"
            remedy = "check the structure, or train the model again"
            return Failure(crystal.origin, crystal.id, "predict", reason, remedy)
        spread, names = None, self._layout.outputs
        if crystal.ordered is None:
            values = dict(zip(names, rows[0], strict=True))
        else:
            values, spread = average(names, rows, crystal.ordered)
        texts = dict.fromkeys(crystal.warnings)
        for graph in crystal.graphs:
            texts |= dict.fromkeys(self._out_of_domain.of_crystal(graph))
        widening, novelty, reasons = self._unlike(crystal, answers)
        texts |= dict.fromkeys([*reasons, *self._out_of_domain.of_values(values)])
        return Prediction(
            crystal.id,
            crystal.data.formula,
            values,
            crystal.targets,
            crystal.origin,
            tuple(texts),
            spread,
            self._intervals.of(values, self._members_std(crystal, answers), widening),
            {
                target.name: target.label([values[name] for name in target.outputs])
                for target in self._layout.targets
                if target.classes
            },
            novelty,
            widening,
        )

    def _unlike(
        self, crystal: Encoded, answers: Sequence[Answer]
    ) -> tuple[float, float | None, list[str]]:
        """Return how wide its interval is, its novelty, and why that is low."""
        if self._novelty is None:
            return 1.0, None, []
        compared = [
            Crystal(crystal_features(graph), answer.vector, answer.spread)
            for graph, answer in zip(crystal.graphs, answers, strict=True)
        ]
        results = [self._novelty.compare(crystal) for crystal in compared]
        size, k = max((result.size, k) for k, result in enumerate(results))
        widening = max(result.widening for result in results)
        novelty = self._novelty.of(size)
        if novelty >= RARE:
            return widening, novelty, []
        reasons = "; ".join(self._novelty.reasons(compared[k]))
        return widening, novelty, [f"unlike the training data: {reasons}"]

    def _members_std(
        self, crystal: Encoded, answers: Sequence[Answer]
    ) -> dict[str, float]:
        rows = [answer.spread for answer in answers]
        if not rows[0]:
            return {}
        if crystal.ordered is None:
            return dict(zip(self._layout.outputs, rows[0], strict=True))
        # The mean over orderings: never less than the spread of the members' means.
        return average(self._layout.outputs, rows, crystal.ordered)[0]
