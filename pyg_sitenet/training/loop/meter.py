"""Errors of an epoch, summed crystal by crystal and over all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.loop.objective import Sums

MONITOR = "val/score"


class Meter:
    """Sums the results per batch of :class:`~.objective.Objective`.

    Args:
        stage: ``"train"`` or ``"val"``, the start of the names.
        layout: Which targets are numbers and which classes.
        targets: Names of the targets.
        spreads: What the error of a target is divided by in the score.
    """

    def __init__(
        self,
        stage: str,
        layout: OutputLayout,
        targets: Sequence[str],
        spreads: Sequence[float],
    ) -> None:
        self.stage = stage
        self.layout = layout
        self.targets = tuple(targets)
        self.spreads = tuple(spreads)
        # Row 0 loss, known, and nothing; then error, known and right of each target.
        self.sums = torch.zeros(1 + len(targets), 3, dtype=torch.float64)

    def add(self, sums: Sums) -> None:
        """Add the sums of a batch."""
        zero = torch.zeros_like(sums.loss)
        total = torch.stack([sums.loss.detach(), sums.known.sum(), zero])
        rows = torch.stack([sums.error, sums.known, sums.right], dim=1)
        self.sums += torch.cat([total[None], rows]).cpu().double()

    def take(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Return the means by name, and start anew.

        For each target with a known value the mean absolute error ``mae/<target>`` in
        its unit, or for classes ``nll/<target>`` (negative logarithm of the probability
        of the true class) and ``accuracy/<target>``. In validation also ``score``: the
        errors divided by the spread of the training targets (for classes, the logarithm
        of their number), averaged over the targets.

        Args:
            reduce: Sums over all processes.
        """
        (loss, count, _), *rows = reduce(self.sums).tolist()
        self.sums = torch.zeros_like(self.sums)
        if not count:
            return {}
        values, scores = {"loss": loss / count}, []
        for t, (error, num_known, right) in enumerate(rows):
            if not num_known:
                continue
            name, has_classes = self.targets[t], self.layout.targets[t].classes
            values[f"{'nll' if has_classes else 'mae'}/{name}"] = error / num_known
            if has_classes:
                values[f"accuracy/{name}"] = right / num_known
            scores.append(error / num_known / self.spreads[t])
        results = {f"{self.stage}/{name}": value for name, value in values.items()}
        if self.stage == "val":
            results[MONITOR] = sum(scores) / len(scores)
        return results
