"""The folder of a run: its files, made for a new run or opened to continue one."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sitenet.config import Config, load_config
from pyg_sitenet.errors import ConfigError, SiteNetError, reporting_os_error
from pyg_sitenet.file_locks import UNWRITABLE, check_output_folder
from pyg_sitenet.model_file import MODEL_FILE_NAME

FOLD = "fold_"
"""How the folders of the runs of a cross-validation begin; the number follows."""

# What may differ when a run is continued: more epochs, other workers that featurise.
_FREE = {
    "training.max_epochs",
    "training.checkpoint_minutes",
    "training.checkpoint_steps",
    "data.workers",
    "data.loader_workers",
}


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
    def crystals(self) -> Path:
        """Part, sizes and targets of each crystal."""
        return self.path / "crystals.csv"

    @property
    def data(self) -> Path:
        """Hashes of the data that the run was begun with."""
        return self.path / "data.json"

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
    def tables(self) -> tuple[Path, ...]:
        """What has a name that others may use, too."""
        return (
            self.crystals,
            self.metrics,
            self.predictions,
            self.failures,
            self.notes,
        )

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.path / "figures"

    @property
    def holds_run(self) -> bool:
        """Whether a run was begun in it."""
        return any(file.exists() for file in (self.config, self.model, self.last))

    @property
    def folds(self) -> int:
        """How many runs of a cross-validation are in it."""
        return len(list(self.path.glob(f"{FOLD}*/config.yaml")))

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
        raise SiteNetError(
            f"{folder.path}: {UNWRITABLE}: {cause.strerror or cause}; mend this and"
            " continue with resume (--resume)"
        ) from error


def open_run_folder(folder: RunFolder, config: Config, *, resume: bool) -> None:
    """Make the folder of a new run, or open the one of a run to be continued.

    Nothing but empty folders is made: a run that fails before its data are read leaves
    no trace that would block the next attempt.

    Raises:
        SiteNetError: If the folder cannot be written, holds another run, or holds none
            where one should be continued.
        ConfigError: If the run to be continued has other settings.
    """
    if resume:
        _check_same_run(folder, config)
    elif folder.holds_run:
        raise SiteNetError(
            f"{folder.path}: holds a run already; choose another output folder, delete"
            " this one, or continue it with resume (--resume)"
        )
    elif folder.folds:
        raise SiteNetError(
            f"{folder.path}: holds the folds of a cross-validation; choose another"
            " output folder (--output), or continue them with resume (--resume) and"
            " their number (--folds)"
        )
    else:
        names = [file.name for file in folder.tables]
        check_output_folder(folder.path, names, [folder.data.name], config.data.source)
    remedy = "choose another or change its permissions"
    with reporting_os_error(folder.path, remedy, SiteNetError, UNWRITABLE):
        for subfolder in (folder.path, folder.checkpoints, folder.figures):
            subfolder.mkdir(parents=True, exist_ok=True)
            if not os.access(subfolder, os.W_OK):
                raise PermissionError("permission denied")


def _why_no_run(folder: RunFolder) -> str:
    if folder.folds:
        return (
            f"holds {folder.folds} folds, not one run; continue them with their number "
            "(--folds), or one alone in its folder"
        )
    return "holds no run to continue; start it without resume"


def _check_same_run(folder: RunFolder, config: Config) -> None:
    if not folder.config.is_file():
        raise SiteNetError(f"{folder.path}: {_why_no_run(folder)}")
    # Where the data lie is free if what they are can be compared.
    free = _FREE | ({"data.source"} if folder.data.is_file() else set())
    check_same_settings(folder.config, config, free)


def check_same_settings(path: Path, config: Config, free: Collection[str]) -> None:
    """Check settings against those that a run was begun with.

    Args:
        path: The file of the latter.
        config: The settings now.
        free: What may differ.

    Raises:
        ConfigError: If anything else does.
    """
    old = _flatten(load_config(path).model_dump(mode="json"))
    new = _flatten(config.model_dump(mode="json"))
    for key in new:
        if key not in free and new[key] != old.get(key):
            raise ConfigError(
                f"{path}: the run to continue has {key} = {old.get(key)!r}, "
                f"not {new[key]!r}; start a new run in another folder to change it"
            )


def _flatten(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, values in settings.items()
        for key, value in values.items()
    }
