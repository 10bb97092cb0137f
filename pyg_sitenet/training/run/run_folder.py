"""The files of a run, and reading what is in them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.config import Config, dump_config, load_config
from pyg_sitenet.errors import ModelFileError, SiteNetError
from pyg_sitenet.model_file import MODEL_FILE_NAME

_logger = logging.getLogger(__name__)

FOLD = "fold_"
"""How the folders of the runs of a cross-validation begin; the number follows."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of everything that a run leaves behind."""

    path: Path

    @property
    def config(self) -> Path:
        """The complete configuration."""
        return self.path / "config.yaml"

    @property
    def model(self) -> Path:
        """The kept weights with their description."""
        return self.path / MODEL_FILE_NAME

    @property
    def checkpoints(self) -> Path:
        """Folder of the training states: last, the one before, and best."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The newest state."""
        return self.checkpoints / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The state before the newest, should that be damaged."""
        return self.checkpoints / "previous.ckpt"

    @property
    def best(self) -> Path:
        """The state with the lowest validation error."""
        return self.checkpoints / "best.ckpt"

    @property
    def environment(self) -> Path:
        """With what versions and on what the run was made."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """Errors of the model and of the baselines."""
        return self.path / "metrics.json"

    @property
    def predictions(self) -> Path:
        """Predictions for the test part."""
        return self.path / "predictions.csv"

    @property
    def failures(self) -> Path:
        """Inputs that could not be used, and why."""
        return self.path / "failures.csv"

    @property
    def notes(self) -> Path:
        """What to know of the data, told before the training; a line each."""
        return self.path / "notes.txt"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.path / "figures"

    def discard(self) -> None:
        """Remove the folders that :func:`open_run_folder` made, as far as empty."""
        for path in (self.figures, self.checkpoints, self.path):
            with suppress(OSError):
                path.rmdir()


@contextmanager
def reporting_write_errors(
    folder: RunFolder, only: Collection[int] = ()
) -> Iterator[None]:
    """Say of what cannot be written path, reason and the remedy of a run.

    Args:
        folder: The run folder.
        only: Numbers of the system's errors that can come from it alone. (default: all)

    Raises:
        SiteNetError: In place of the system's error.
    """
    try:
        yield
    except (OSError, SiteNetError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or (only and cause.errno not in only):
            raise
        remedy = "mend this and continue with resume (--resume)"
        raise unwritable(folder.path, cause, remedy) from error


def tell_notes(folder: RunFolder, notes: Sequence[str]) -> None:
    """Log what to know of the data, and keep it.

    Raises:
        SiteNetError: If the folder cannot be written.
    """
    for note in notes:
        _logger.warning("%s", note)
    with reporting_write_errors(folder):
        write_text(folder.notes, "".join(f"{note}\n" for note in notes))


def read_notes(folder: RunFolder) -> list[str]:
    """Return what :func:`tell_notes` kept."""
    if not folder.notes.is_file():
        return []
    return folder.notes.read_text("utf-8", errors="replace").splitlines()


def write_config(folder: RunFolder, config: Config) -> None:
    """Write the complete configuration; from here on the folder holds a run.

    A finished run that is to go on for longer is finished no more: its metrics go.

    Raises:
        SiteNetError: If the folder cannot be written.
    """
    with reporting_write_errors(folder):
        if not is_finished(folder, config):
            folder.metrics.unlink(missing_ok=True)
        write_text(folder.config, dump_config(config))


def is_finished(folder: RunFolder, config: Config) -> bool:
    """Say whether a run was trained to the end, as long as is now asked for.

    The metrics are written last.
    """
    if not (folder.metrics.is_file() and folder.config.is_file()):
        return False
    try:
        read_metrics(folder)
    except ModelFileError as error:
        _logger.warning("%s; the end of the run is done again", error)
        return False
    done = load_config(folder.config).training.max_epochs
    return done == config.training.max_epochs


def unwritable(path: Path, error: OSError, remedy: str) -> SiteNetError:
    """Return the error of an output folder that cannot be written."""
    return SiteNetError(
        f"{path}: the output folder cannot be written: {error.strerror or error}; "
        f"{remedy}"
    )


def read_metrics(folder: RunFolder) -> dict[str, Any]:
    """Return what ``metrics.json`` holds.

    Raises:
        ModelFileError: If it is missing or damaged.
    """
    try:
        metrics: dict[str, Any] = json.loads(folder.metrics.read_text("utf-8"))
        _check_metrics(metrics)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{folder.metrics}: no metrics of a run ({error}); restore it, or write it "
            "again by continuing the run with resume (--resume)"
        ) from error
    return metrics


def _check_metrics(metrics: dict[str, Any]) -> None:
    history, best = metrics["history"], metrics["best_epoch"]
    are_epochs = isinstance(history, list) and all(
        isinstance(epoch, dict)
        and all(isinstance(value, int | float | None) for value in epoch.values())
        for epoch in history
    )
    if not are_epochs or not isinstance(best, int | None):
        raise TypeError("`history` is no list of epochs")
    if not isinstance(metrics["targets"], dict):
        raise TypeError("`targets` are of another form")


def read_history(path: str | Path) -> tuple[list[dict[str, float]], int | None]:
    """Return the errors of every epoch of a run, and the epoch whose weights it kept.

    Args:
        path: A run folder, or the model file in one; anything else has no history.

    Returns:
        One mapping per epoch, NaN where an error was not finite; and the epoch.

    Raises:
        ModelFileError: If the folder's ``metrics.json`` is damaged.
    """
    path = Path(path)
    folder = RunFolder(path if path.is_dir() else path.parent)
    in_run = path.is_dir() or path.name == MODEL_FILE_NAME
    if not in_run or not folder.metrics.is_file():
        return [], None
    metrics = read_metrics(folder)
    history = [
        {key: math.nan if value is None else value for key, value in epoch.items()}
        for epoch in metrics["history"]
    ]
    return history, metrics["best_epoch"]
