"""Ctrl-C and SIGTERM: the step ends, the state is kept, then the run stops."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.run.run_folder import RunFolder

_NAMES = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM"}


class TrainingInterruptedError(SiteNetError):
    """Training was stopped from outside; what was learnt until then is kept."""


class Interruption(Callback):
    """Notes a signal instead of dying of it; a second Ctrl-C stops at once.

    A process that was told to ignore a signal goes on ignoring it.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._trainer: Trainer | None = None

    def is_requested(self, trainer: Trainer) -> bool:
        """Tell whether the run should stop after this step."""
        return self._received is not None or trainer.received_sigterm

    def error(
        self, folder: RunFolder, epochs: int, batches: int, state: Path
    ) -> TrainingInterruptedError:
        """Return the error that ends the run and says what is kept."""
        how = _NAMES[self._received or signal.SIGTERM]
        within = f" and {batches} batches" if batches else ""
        left = f"{state} is kept" if state.is_file() else "nothing was finished"
        return TrainingInterruptedError(
            f"{folder.path}: training was {how} after {epochs} epochs{within}, {left};"
            " continue it with resume (--resume)"
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over, also from Lightning, which would drop the step."""
        del pl_module
        if threading.current_thread() is not threading.main_thread():
            return
        self._trainer = trainer
        for number in _NAMES:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the signals back."""
        del trainer, pl_module
        self._give_back()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Give the signals back."""
        del trainer, pl_module, exception
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._received is signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = signal.Signals(number)
        launcher = self._trainer.strategy.launcher if self._trainer else None
        if launcher is not None:  # processes that were started from this one
            launcher.kill(number)

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
