"""Cross-validation: every crystal is in one test part, a run for each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.config import Config
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.errors import ConfigError, SiteNetError, reporting_os_error
from pyg_sitenet.file_locks import check_output_folder, locked_folder
from pyg_sitenet.training.loading import complete, load_data
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.run.metrics_file import is_finished, read_metrics
from pyg_sitenet.training.run.record import check_run_data
from pyg_sitenet.training.run.run_folder import FOLD, RunFolder, open_run_folder
from pyg_sitenet.training.train import RunResult, train

SUMMARY = "summary.json"


def fold_folder(output: str | Path, fold: int) -> RunFolder:
    """Return the run folder of a fold, below that of all."""
    return RunFolder(Path(output) / f"{FOLD}{fold}")


def cross_validate(
    config: Config,
    output: str | Path,
    num_folds: int,
    *,
    resume: bool = False,
    progress: bool = False,
    cache: str | Path | None = None,
    accelerator: str = "auto",
) -> RunResult:
    """Train once per fold, each time tested on another part of the crystals.

    The folder gets a run folder ``fold_0``, ``fold_1``, ... for each and a
    ``summary.json``: for each target and error of the test parts its ``mean``,
    ``std`` (over the folds, n - 1) and ``folds``.

    Args:
        config: All settings; its folds are set here. With ``data.split`` a fold keeps
            groups together.
        output: Folder of the runs.
        num_folds: How many there are.
        resume: Finished folds are kept, the one that was stopped is continued; with
            more epochs all are.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data, as in
            :func:`~pyg_sitenet.training.train.train`.
        accelerator: ``auto``, ``cpu``, ``cuda``, ``mps``, or another of Lightning.

    Returns:
        The summary, the folder, and what became of the inputs.

    Raises:
        ConfigError: If the folds to be continued have other settings, or a launcher
            started several processes.
        SiteNetError: As :func:`~pyg_sitenet.training.train.train` does.
    """
    _check_processes(accelerator)
    if config.data.folds not in (None, num_folds):
        raise ConfigError(
            f"data.folds is {config.data.folds}, but {num_folds} folds are asked for "
            "(--folds); leave out one of them"
        )
    config = complete(config)  # as it is in the run folders
    folder, ledger = Path(output), Ledger()
    if resume and not fold_folder(folder, 0).config.is_file():
        raise SiteNetError(
            f"{folder}: holds no folds to continue; start them without resume"
        )
    _check_folder(folder, config)
    metrics = []
    with locked_folder(folder):
        for fold in range(num_folds):
            own = fold_folder(folder, fold)
            data = config.data.model_copy(update={"folds": num_folds, "fold": fold})
            settings = config.model_copy(update={"data": data})
            if resume and _is_done(own, settings, cache):
                metrics.append(read_metrics(own))
                continue
            result = train(
                settings,
                own.path,
                resume=resume and own.config.is_file(),
                progress=progress,
                cache=cache,
                accelerator=accelerator,
            )
            metrics.append(result.metrics)
            ledger = result.ledger
        summary = {"folds": num_folds, "targets": summarise_folds(metrics)}
        _write(folder / SUMMARY, summary)
    return RunResult(summary, folder, ledger)


def _check_folder(folder: Path, config: Config) -> None:
    if RunFolder(folder).holds_run:
        raise SiteNetError(
            f"{folder}: holds a run already, not folds; choose another output folder"
            " (--output)"
        )
    own = [path.name for path in folder.glob(f"{FOLD}*")]
    check_output_folder(folder, [SUMMARY], own, config.data.source)


def _check_processes(accelerator: str) -> None:
    number = Devices.choose(None, None, accelerator).num_processes
    if number > 1:
        raise ConfigError(
            f"folds are trained by one process, got {number}; start them without "
            "torchrun or SLURM's tasks, or one fold alone (data.folds, data.fold)"
        )


def _is_done(folder: RunFolder, config: Config, cache: str | Path | None) -> bool:
    """Say whether a fold was trained as is now asked for.

    Other settings and other data are refused.
    """
    if not folder.config.is_file():
        return False
    open_run_folder(folder, config, resume=True)
    if not is_finished(folder, config):
        return False
    data = load_data(config, cache, None, Devices(), progress=False)
    check_run_data(folder, data)
    return True


def summarise_folds(
    metrics: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return mean and spread over the folds of each target's test errors.

    Args:
        metrics: What ``metrics.json`` of each fold holds.
    """
    summary: dict[str, dict[str, Any]] = {}
    for target, first in metrics[0]["targets"].items():
        parts = [record["targets"][target] for record in metrics]
        summary[target] = {
            **{key: first[key] for key in ("unit", "classes") if key in first},
            "test": _over_folds([part["test"] for part in parts]),
            "baselines": {
                name: {
                    "test": _over_folds([p["baselines"][name]["test"] for p in parts])
                }
                for name in first["baselines"]
            },
        }
    return summary


def _over_folds(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    summary = {}
    for name, first in scores[0].items():
        values = [fold[name] for fold in scores]
        if isinstance(first, list | dict) or None in values:
            continue  # no number, or not defined in a fold
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        summary[name] = {"mean": float(np.mean(values)), "std": std, "folds": values}
    return summary


def _write(path: Path, summary: Mapping[str, Any]) -> None:
    remedy = (
        "the runs of the folds are complete: free some space and continue with resume"
        " (--resume)"
    )
    with reporting_os_error(path, remedy, SiteNetError):
        write_text(path, json.dumps(summary, indent=2) + "\n")
