"""``metrics.json``: written last, it says by being there that a run is finished."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.config import Config, load_config
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_file import MODEL_FILE_NAME
from pyg_sitenet.training.run.run_folder import RunFolder, reporting_write_errors

_logger = logging.getLogger(__name__)


def write_metrics(folder: RunFolder, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``metrics.json``, which says by being there that the run is finished.

    Numbers that are not finite become null, which ``notes`` then tell.

    Raises:
        SiteNetError: If it cannot be written.
    """
    lost: dict[str, None] = {}  # in order, each once
    finite = {key: _finite(value, key, lost) for key, value in metrics.items()}
    if lost:
        note = f"null where it was not finite: {', '.join(lost)}"
        finite["notes"] = [*metrics["notes"], note]
    text = json.dumps(finite, indent=2, allow_nan=False)
    with reporting_write_errors(folder):
        write_text(folder.metrics, text + "\n")
    return finite


def _finite(value: Any, name: str, lost: dict[str, None]) -> Any:  # noqa: ANN401 - JSON
    """Replace numbers that are not finite by ``None`` and collect their names."""
    if isinstance(value, Mapping):
        return {k: _finite(v, f"{name} {k}", lost) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item, name, lost) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        lost[name] = None
        return None
    return value


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
