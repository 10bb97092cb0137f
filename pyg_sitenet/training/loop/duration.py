"""How long a training will take, said after its first batches."""

from __future__ import annotations

import logging
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

_logger = logging.getLogger(__name__)
_WARM, _TIMED = 3, 20  # batches: the first ones load and compile


class Duration(Callback):
    """Logs the epochs, the batches of each and the time that all of them will take."""

    def __init__(self) -> None:
        self._count = 0
        self._start = 0.0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401, what Lightning hands over
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Time the batches after the first few, and say what follows from it, once."""
        del pl_module, outputs, batch, batch_idx
        self._count += 1
        if self._count == _WARM:
            self._start = time.perf_counter()
        if self._count != _WARM + _TIMED or not trainer.is_global_zero:
            return
        seconds = (time.perf_counter() - self._start) / _TIMED
        batches = int(trainer.num_training_batches)
        left = int(trainer.max_epochs or 0) - trainer.current_epoch
        _logger.warning(  # which commands show
            "%d epochs of %d batches: about %s",
            left, batches, duration_text(seconds * batches * left),
        )  # fmt: skip


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: seconds, minutes or hours."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 6000:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
