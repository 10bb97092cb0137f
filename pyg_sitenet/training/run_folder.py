"""The folder of a run: what is where, and whether a run may be written there."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyg_sitenet.config import Config, dump_config, load_config
from pyg_sitenet.errors import ConfigError, ModelFileError, SiteNetError
from pyg_sitenet.model_file import MODEL_FILE_NAME

# What may differ when a run is continued: more epochs, another number of processes.
_FREE = {
    "training.max_epochs",
    "training.checkpoint_minutes",
    "training.checkpoint_steps",
    "data.workers",
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
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.path / "figures"

    def discard(self) -> None:
        """Remove the folders that :func:`open_run_folder` made, as far as empty."""
        for one in (self.figures, self.checkpoints, self.path):
            with suppress(OSError):
                one.rmdir()


def open_run_folder(path: str | Path, config: Config, *, resume: bool) -> RunFolder:
    """Make the folder of a new run, or open the one of a run to be continued.

    Nothing but empty folders is made: a run that fails before its data are read leaves
    no trace that would block the next attempt.

    Raises:
        SiteNetError: If the folder cannot be written, holds another run, or holds none
            where one should be continued.
        ConfigError: If the run to be continued has other settings.
    """
    folder = RunFolder(Path(path))
    if resume:
        _check_same_run(folder, config)
    elif any(one.exists() for one in (folder.config, folder.model, folder.last)):
        raise SiteNetError(
            f"{path}: holds a run already; choose another output folder, delete this "
            "one, or continue it with resume (--resume)"
        )
    try:
        for one in (folder.path, folder.checkpoints, folder.figures):
            one.mkdir(parents=True, exist_ok=True)
            if not os.access(one, os.W_OK):
                raise PermissionError("permission denied")
    except OSError as error:
        raise _unwritable(folder.path, error) from error
    return folder


def write_config(folder: RunFolder, config: Config) -> None:
    """Write the complete configuration; from here on the folder holds a run.

    Raises:
        SiteNetError: If the folder cannot be written.
    """
    try:
        folder.config.write_text(dump_config(config), encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder.path, error) from error


def _unwritable(path: Path, error: OSError) -> SiteNetError:
    return SiteNetError(
        f"{path}: the output folder cannot be written: {error.strerror or error}; "
        "choose another or change its permissions"
    )


def _check_same_run(folder: RunFolder, config: Config) -> None:
    if not folder.config.is_file():
        raise SiteNetError(
            f"{folder.path}: holds no run to continue; start it without resume"
        )
    old = _flatten(load_config(folder.config).model_dump(mode="json"))
    new = _flatten(config.model_dump(mode="json"))
    for key in new:
        if key not in _FREE and new[key] != old.get(key):
            raise ConfigError(
                f"{folder.config}: the run to continue has {key} = {old.get(key)!r}, "
                f"not {new[key]!r}; start a new run in another folder to change it"
            )


def _flatten(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, values in settings.items()
        for key, value in values.items()
    }


def read_history(path: str | Path) -> tuple[list[dict[str, float]], int | None]:
    """Return the errors of every epoch of a run, and the epoch whose weights it kept.

    Args:
        path: A run folder, or the model file in one; anything else has no history.

    Raises:
        ModelFileError: If the folder's ``metrics.json`` is damaged.
    """
    path = Path(path)
    metrics = RunFolder(path if path.is_dir() else path.parent).metrics
    in_run = path.is_dir() or path.name == MODEL_FILE_NAME
    if not in_run or not metrics.is_file():
        return [], None
    try:
        values = json.loads(metrics.read_text(encoding="utf-8"))
        return list(values["history"]), values["best_epoch"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"{metrics}: no metrics of a run ({error}); restore it or give the model "
            "file from another folder"
        ) from error
