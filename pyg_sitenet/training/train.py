"""A whole run: configuration in, run folder out; nothing is printed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.file_locks import locked_folder
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.training.data_notes import data_notes
from pyg_sitenet.training.loading import complete, load_data
from pyg_sitenet.training.loop.callbacks import Watch
from pyg_sitenet.training.loop.checkpoint_files import check_epochs
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.fit import device_of
from pyg_sitenet.training.members import load_members, member_config, member_folder
from pyg_sitenet.training.network import check_start, fit_network
from pyg_sitenet.training.outcome.outcome import predict_parts
from pyg_sitenet.training.outcome.results import finish
from pyg_sitenet.training.run.metrics_file import is_finished
from pyg_sitenet.training.run.record import check_run_data, write_record
from pyg_sitenet.training.run.run_folder import RunFolder, open_run_folder

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunResult:
    """Outcome of :func:`train`.

    Attributes:
        metrics: What ``metrics.json`` holds.
        folder: The run folder.
        ledger: What became of the inputs.
    """

    metrics: dict[str, Any]
    folder: Path
    ledger: Ledger


def train(
    config: Config,
    output: str | Path,
    *,
    resume: bool = False,
    progress: bool = False,
    cache: str | Path | None = None,
    splits: Mapping[str, Sequence[str]] | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    accelerator: str = "auto",
    watch: Watch | None = None,
    tell: bool = True,
) -> RunResult:
    """Train a model and leave a run folder.

    The folder holds ``config.yaml`` (complete: training on it repeats the run),
    ``model.safetensors`` (the weights with the lowest validation error, or without a
    validation part those of the last epoch), ``checkpoints/``, ``metrics.json``,
    ``predictions.csv`` (test part), ``figures/``, TensorBoard events in
    ``tensorboard/``, ``environment.json`` (versions and device), ``failures.csv``,
    ``notes.txt`` (what to know of the data), ``crystals.csv`` (the part of each
    crystal) and ``data.json``, by which a continued run knows its data.

    ``metrics.json`` has for each of ``targets`` its ``unit``, ``test`` and ``val``
    errors (``mae``, ``rmse``, ``r2``) and, under ``baselines``, the ``test`` errors of
    ``mean`` and ``composition``; then ``num_crystals`` of each part,
    ``num_parameters``, ``epochs``, ``best_epoch``, ``seconds``, ``notes`` (why a value
    is null), ``data_notes`` (what the data hide), ``inputs`` (what became of them) and
    the ``history`` of all epochs. With a calibration part each target has the
    ``coverage`` of its intervals on the test part.

    With ``training.members`` above 1 each member has a run folder of its own below
    ``members/``; ``model.safetensors`` holds them all and the rest is about their mean.
    A stopped run goes on with the member it was at. ``metrics.json`` then has what each
    of its ``members`` reached; ``history`` is their mean.

    Args:
        config: All settings.
        output: The run folder; must not hold a run yet, unless ``resume``.
        resume: Continue the run in ``output`` from its last checkpoint.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data. (default: the environment variable
            ``PYG_SITENET_CACHE``, else the user's cache folder)
        splits: Ids of the crystals in each part ``"train"``, ``"val"``, ``"test"`` and,
            if wanted, ``"calibration"``, if they are given rather than drawn, as by a
            benchmark. Crystals that could not be used are left out; those that no part
            names too.
        devices: Devices of each machine, with a process for each. The first writes the
            run folder; in the others ``metrics`` is empty. (default: what ``torchrun``
            or SLURM started, else one)
        nodes: Machines. (default: the same)
        accelerator: ``auto``, ``cpu``, ``cuda``, ``mps``, or another of Lightning.
        watch: Called after each epoch with its number and errors.
        tell: Look for what the data hide, such as equal crystals, and log it.

    Raises:
        ConfigError: If settings contradict each other or the data, or if the devices
            are not there.
        DataError: If the data cannot be used at all or are not those that the run to
            resume was begun with, or if ``splits`` lacks a part or has a crystal twice.
        SiteNetError: If the output folder cannot be used or another run uses it, the
            loss is not finite, or training was interrupted
            (:class:`TrainingInterruptedError`).
    """
    chosen = Devices.choose(devices, nodes, accelerator)
    device = device_of(chosen)
    config = complete(config)
    check_start(config)
    _check_processes(config, chosen)
    folder = RunFolder(Path(output))
    with nullcontext() if chosen.rank else locked_folder(folder.path):
        return _train(
            config, folder, chosen, device,
            resume=resume, progress=progress, cache=cache, splits=splits, watch=watch,
            tell=tell,
        )  # fmt: skip


def _train(
    config: Config,
    folder: RunFolder,
    devices: Devices,
    device: torch.device,
    *,
    resume: bool,
    progress: bool,
    cache: str | Path | None,
    splits: Mapping[str, Sequence[str]] | None,
    watch: Watch | None,
    tell: bool,
) -> RunResult:
    """Train in a folder that no other run writes to."""
    start = time.perf_counter()
    data = _open_run(
        config, folder, splits, devices, device,
        resume=resume, cache=cache, progress=progress, tell=tell,
    )  # fmt: skip
    ledger = data.dataset.ledger()
    # The caller's random numbers stay as they are, and other GPUs untouched.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        model: SiteNet | SiteNetEnsemble
        if config.training.members == 1:
            model, history = fit_network(
                config, data, folder, devices, resume=resume, progress=progress,
                watch=watch,
            )  # fmt: skip
        else:
            for k in range(config.training.members):
                _train_member(
                    config, folder, k, splits,
                    cache=cache, progress=progress, accelerator=devices.accelerator,
                )  # fmt: skip
            model, history = load_members(folder, config.training.members)
        if devices.rank != 0:
            return RunResult({}, folder.path, ledger)
        outcome = predict_parts(config, data, model.to(device), history)
    metrics = finish(folder, model, outcome, start, ledger)
    return RunResult(metrics, folder.path, ledger)


def _check_processes(config: Config, devices: Devices) -> None:
    if config.training.members > 1 and devices.num_processes > 1:
        raise ConfigError(
            "an ensemble (training.members) is trained by one process, got "
            f"{devices.num_processes}; train it without devices and nodes"
        )


def _open_run(
    config: Config,
    folder: RunFolder,
    splits: Mapping[str, Sequence[str]] | None,
    devices: Devices,
    device: torch.device,
    *,
    resume: bool,
    cache: str | Path | None,
    progress: bool,
    tell: bool,
) -> CrystalDataModule:
    """Open the run folder and the data; the first process notes what is used."""
    if devices.rank == 0:
        open_run_folder(folder, config, resume=resume)
        if resume:
            check_epochs(folder, config)
    try:
        data = load_data(config, cache, splits, devices, progress=progress)
        if resume:
            check_run_data(folder, data)
    except SiteNetError:
        folder.discard()
        raise
    if devices.rank == 0:
        notes = data_notes(config, data, is_drawn=splits is None) if tell else None
        for note in notes or ():
            _logger.warning("%s", note)
        write_record(folder, config, data, devices.num_processes, device, notes)
    return data


def _train_member(
    config: Config,
    folder: RunFolder,
    member: int,
    splits: Mapping[str, Sequence[str]] | None,
    *,
    cache: str | Path | None,
    progress: bool,
    accelerator: str,
) -> None:
    """Train a member of an ensemble, or what is left of it after an interruption."""
    own, settings = member_folder(folder, member), member_config(config, member)
    if is_finished(own, settings):
        return
    _logger.info("member %d of %d", member + 1, config.training.members)
    train(
        settings,
        own.path,
        resume=own.config.is_file(),
        progress=progress,
        cache=cache,
        splits=splits,
        accelerator=accelerator,
        tell=False,
    )
