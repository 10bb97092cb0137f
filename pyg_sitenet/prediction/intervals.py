"""How far a prediction may be off: spread of an ensemble's members, and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import ModelDescription
from pyg_sitenet.nn.output_layout import TargetOutputs
from pyg_sitenet.uncertainty.calibration import HalfWidths
from pyg_sitenet.uncertainty.conformal import prediction_set


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What a model says about its own error for one crystal, in units of the targets.

    Attributes:
        members_std: Standard deviation of an ensemble's members, of each output; empty
            for a single network.
        lower: Lower end of each target's interval; empty if no level was asked for.
        upper: Upper end.
        sets: For each target of classes those that hold the true one at the level.
    """

    members_std: dict[str, float]
    lower: dict[str, float]
    upper: dict[str, float]
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Intervals:
    """Makes the intervals of a model at one level.

    Args:
        description: Of the model.
        level: Share of crystals whose true value is to lie inside; ``None`` for no
            intervals.

    Raises:
        ConfigError: If the model was not calibrated, or not for this level.
    """

    def __init__(self, description: ModelDescription, level: float | None) -> None:
        self.level = level
        self._layout = description.layout
        self._lowest = _lowest_values(description)
        self._half_widths: dict[str, HalfWidths] = {}
        if level is None:
            return
        if description.calibration is None:
            raise ConfigError(
                "the model gives no intervals, since no crystals were kept to "
                "calibrate them; train it with data.calibration_fraction=0.1"
            )
        for target in description.targets:
            values = description.target_ranges.get(target)
            widths = description.calibration.half_widths(target, level, values)
            self._half_widths[target] = widths

    def of(
        self,
        values: Mapping[str, float],
        members_std: Mapping[str, float],
        widening: float = 1.0,
    ) -> Uncertainty | None:
        """Return the uncertainty of a prediction; ``None`` if nothing is known."""
        if self.level is None and not members_std:
            return None
        lower, upper, sets = {}, {}, {}
        for target in self._layout.targets if self.level is not None else ():
            name = target.name
            if target.classes:
                answers = [values[output] for output in target.outputs]
                sets[name] = self._set(target, answers)
                continue
            spread = members_std.get(name, 0.0)
            half = self._half_widths[name].of(values[name], spread, widening)
            lower[name] = max(values[name] - half, self._lowest[name])
            upper[name] = values[name] + half
        return Uncertainty(dict(members_std), lower, upper, sets)

    def _set(self, target: TargetOutputs, answers: list[float]) -> tuple[str, ...]:
        bound = self._half_widths[target.name].of(0.0)
        inside = prediction_set(np.array([answers]), bound)[0]
        pairs = zip(target.classes, inside.tolist(), strict=True)
        return tuple(label for label, is_in in pairs if is_in)


def _lowest_values(description: ModelDescription) -> dict[str, float]:
    """Return below what, by the settings of the model, no true value lies."""
    config = description.config
    plain = -math.inf if config.model.output == "identity" else 0.0
    lowest = {"": plain, "log": 0.0, "log10": 0.0, "log1p": -1.0}
    return {
        target.name: lowest[target.transform] for target in description.layout.targets
    }
