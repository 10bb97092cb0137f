"""Make the folder of a new run, or open that of a run to be continued."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pyg_sitenet.config import Config, load_config
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.training.run.run_data import is_recorded
from pyg_sitenet.training.run.run_folder import FOLD, RunFolder, unwritable

# What may differ when a run is continued: more epochs, other workers that featurise.
_FREE = {
    "training.max_epochs",
    "training.checkpoint_minutes",
    "training.checkpoint_steps",
    "data.workers",
    "data.loader_workers",
}


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
    elif any(file.exists() for file in (folder.config, folder.model, folder.last)):
        raise SiteNetError(
            f"{path}: holds a run already; choose another output folder, delete this "
            "one, or continue it with resume (--resume)"
        )
    try:
        for subfolder in (folder.path, folder.checkpoints, folder.figures):
            subfolder.mkdir(parents=True, exist_ok=True)
            if not os.access(subfolder, os.W_OK):
                raise PermissionError("permission denied")
    except OSError as error:
        remedy = "choose another or change its permissions"
        raise unwritable(folder.path, error, remedy) from error
    return folder


def _why_no_run(folder: RunFolder) -> str:
    folds = len(list(folder.path.glob(f"{FOLD}*/config.yaml")))
    if folds:
        return (
            f"holds {folds} folds, not one run; continue them with their number "
            "(--folds), or one alone in its folder"
        )
    return "holds no run to continue; start it without resume"


def _check_same_run(folder: RunFolder, config: Config) -> None:
    if not folder.config.is_file():
        raise SiteNetError(f"{folder.path}: {_why_no_run(folder)}")
    # Where the data lie is free if what they are can be compared.
    free = _FREE | ({"data.source"} if is_recorded(folder.path) else set())
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
