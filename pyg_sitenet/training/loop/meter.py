"""Errors of an epoch, summed crystal by crystal and over all processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyg_sitenet.devices import has_doubles
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.loop.objective import Sums

MONITOR = "val/score"


class RunningSum:
    """A sum in double precision that stays on the device of what is added.

    Nothing waits for the device until the total is asked for. Devices without doubles
    (Apple's GPUs) keep a pair of singles whose sum it is.

    Args:
        total: What is there already, in double precision.
    """

    def __init__(self, total: Tensor) -> None:
        self._high: Tensor = total
        self._low: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Add numbers in single or double precision."""
        if values.device != self._high.device:
            self._move(values.device)
        if self._low is None:
            self._high = self._high + values.double()
        else:
            self._high, rest = add_exactly(self._high, values)
            self._low = self._low + rest

    def total(self) -> Tensor:
        """Return the sum on the CPU."""
        high = self._high.cpu().double()
        return high.clone() if self._low is None else high + self._low.cpu().double()

    def _move(self, device: torch.device) -> None:
        total = self.total()
        if not has_doubles(device):
            high = total.float()
            self._low = (total - high.double()).float().to(device)
            self._high = high.to(device)
        else:
            self._high, self._low = total.to(device), None


def add_exactly(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rounded sum, and what rounding took from it (Knuth's two-sum)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


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
        self._restart()

    @property
    def sums(self) -> Tensor:
        """Loss, known, and nothing; then error, known and right of each target."""
        return self._sums.total()

    @sums.setter
    def sums(self, value: Tensor) -> None:
        self._sums = RunningSum(value)

    def add(self, sums: Sums, counts: Tensor | None = None) -> None:
        """Add the sums of a batch.

        Args:
            sums: Of the batch.
            counts: Whether the batch counts, ``[]``. (default: it does)
        """
        zero = torch.zeros_like(sums.loss)
        total = torch.stack([sums.loss.detach(), sums.counts.sum(), zero])
        rows = torch.stack([sums.error, sums.counts, sums.right], dim=1)
        values = torch.cat([total[None], rows])
        if counts is not None:
            values = torch.where(counts, values, torch.zeros_like(values))
        self._sums.add(values)

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
        self._restart()
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

    def _restart(self) -> None:
        self.sums = torch.zeros(1 + len(self.targets), 3, dtype=torch.float64)
