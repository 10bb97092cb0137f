"""A whole run: configuration in, run folder out; nothing is printed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Batch

from pyg_sitenet.config import Config
from pyg_sitenet.data.cache_folder import cache_folder
from pyg_sitenet.data.datamodule import CrystalDataModule, splits_by_id
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.sources.open import absolute_source
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training.callbacks import History, Watch
from pyg_sitenet.training.ensemble import (
    ensemble_outcome,
    is_finished,
    load_members,
    member_config,
    member_folder,
)
from pyg_sitenet.training.finish import finish
from pyg_sitenet.training.fit import fit, load_checkpoint
from pyg_sitenet.training.module import SiteNetModule
from pyg_sitenet.training.report import Outcome, write_failures
from pyg_sitenet.training.run_folder import (
    RunFolder,
    open_run_folder,
    write_config,
)
from pyg_sitenet.transforms import MergeEquivalent

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
    watch: Watch | None = None,
) -> RunResult:
    """Train a model and leave a run folder.

    The folder holds ``config.yaml`` (complete: training on it repeats the run),
    ``model.safetensors`` (the weights with the lowest validation error),
    ``checkpoints/``, ``metrics.json``, ``predictions.csv`` (test part), ``figures/``,
    TensorBoard events in ``tensorboard/`` and ``failures.csv``.

    ``metrics.json`` has for each of ``targets`` its ``unit``, ``test`` and ``val``
    errors (``mae``, ``rmse``, ``r2``) and, under ``baselines``, the ``test`` errors of
    ``mean`` and ``composition``; then ``num_crystals`` of each part,
    ``num_parameters``, ``epochs``, ``best_epoch``, ``seconds``, ``notes`` (why a value
    is null), ``inputs`` (what became of them) and the ``history`` of all epochs. With a
    calibration part each target has the ``coverage`` of its intervals on the test part.

    With ``training.members`` above 1 each member has a run folder of its own below
    ``members/``; ``model.safetensors`` holds them all and the rest is about their mean.
    A stopped run goes on with the member it was at. ``metrics.json`` then has what each
    of its ``members`` reached; ``history`` is their mean.

    Args:
        config: All settings.
        output: The run folder; must not hold a run yet, unless ``resume``.
        resume: Continue the run in ``output`` from its last complete epoch.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data. (default: the environment variable
            ``PYG_SITENET_CACHE``, else the user's cache folder)
        splits: Ids of the crystals in each part ``"train"``, ``"val"``, ``"test"`` and,
            if wanted, ``"calibration"``, if they are given rather than drawn, as by a
            benchmark. Crystals that could not be used are left out; those that no part
            names too.
        watch: Called after each epoch with its number and errors.

    Raises:
        DataError: If the data cannot be used at all, or if ``splits`` lacks a part or
            has a crystal in two.
        SiteNetError: If the output folder cannot be used, the loss is not finite, or
            training was interrupted (:class:`TrainingInterruptedError`).
    """
    start = time.perf_counter()
    config = with_absolute_source(config)
    folder = open_run_folder(output, config, resume=resume)
    try:
        dataset = load_dataset(config, cache, progress=progress)
    except SiteNetError:
        folder.discard()
        raise
    write_config(folder, config)
    write_failures(folder, dataset.failures)
    parts = None if splits is None else splits_by_id(dataset, splits)
    data = CrystalDataModule(dataset, config.data, config.training.seed, parts)
    ledger = dataset.ledger()
    if config.training.members > 1:
        for k in range(config.training.members):
            _train_member(
                config, folder, k, cache=cache, progress=progress, splits=splits
            )
        ensemble = load_members(folder, config.training.members)
        outcome = ensemble_outcome(
            config, folder, ensemble, data, len(dataset.failures)
        )
        metrics = finish(folder, ensemble, outcome, start, ledger)
        return RunResult(metrics, folder.path, ledger)
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        module, history = _fit(
            config, data, folder, resume=resume, progress=progress, watch=watch
        )
        outcome = Outcome(
            config=config,
            units={**dataset.units, **config.data.units},
            crystals={name: data.part(name) for name in data.splits},
            predicted={
                name: _predict(module, data.ordered_dataloader(name))
                for name in ("val", "calibration", "test")
            },
            history=history,
            num_failed=len(dataset.failures),
            num_parameters=sum(p.numel() for p in module.model.parameters()),
        )
    metrics = finish(folder, module.model, outcome, start, ledger)
    return RunResult(metrics, folder.path, ledger)


def _train_member(
    config: Config,
    folder: RunFolder,
    member: int,
    *,
    cache: str | Path | None,
    progress: bool,
    splits: Mapping[str, Sequence[str]] | None,
) -> None:
    """Train a member of an ensemble, or what is left of it after an interruption."""
    own, settings = member_folder(folder, member), member_config(config, member)
    if is_finished(own, settings):
        return
    _logger.info("member %d of %d", member + 1, config.training.members)
    resume = own.config.is_file()
    train(
        settings,
        own.path,
        resume=resume,
        progress=progress,
        cache=cache,
        splits=splits,
    )


def with_absolute_source(config: Config) -> Config:
    """Let ``config.yaml`` find the data from any folder."""
    source = absolute_source(config.data.source)
    data = config.data.model_copy(update={"source": source})
    return config.model_copy(update={"data": data})


def load_dataset(
    config: Config, cache: str | Path | None, *, progress: bool
) -> CrystalDataset:
    """Read and featurise the data of a run, or find them in the cache."""
    data = config.data
    return CrystalDataset(
        cache_folder(cache),
        data.source,
        data.targets,
        max_atoms=data.max_atoms,
        environment=data.environment,
        primitive_tolerance=data.primitive_tolerance,
        disorder=data.disorder,
        orderings=data.orderings,
        disorder_seed=data.disorder_seed,
        time_limit=data.time_limit,
        workers=data.workers,
        pre_transform=_merging(config),
        progress=progress,
    )


def _merging(config: Config) -> MergeEquivalent | None:
    if config.data.merge and config.model.norm == "batch":
        _logger.warning(
            "equal sites and pairs are not merged: batch normalisation counts each of "
            "them while training (data.merge=false silences this)"
        )
        return None
    return MergeEquivalent() if config.data.merge else None


def _fit(
    config: Config,
    data: CrystalDataModule,
    folder: RunFolder,
    *,
    resume: bool,
    progress: bool,
    watch: Watch | None,
) -> tuple[SiteNetModule, History]:
    """Train, and return the kept weights: the best, or without validation the last."""
    torch.manual_seed(config.training.seed)
    loader = data.train_dataloader()
    validates = len(data.splits["val"]) > 0
    module = SiteNetModule(
        SiteNet(config.model, num_targets=len(config.data.targets)),
        config.training,
        config.data.targets,
        data.part("train").y,
        len(loader),
    )
    history = fit(
        module,
        loader,
        data.val_dataloader() if validates else None,
        folder,
        config.training,
        resume=resume,
        progress=progress,
        watch=watch,
    )
    if validates:
        module.load_state_dict(load_checkpoint(folder.best)["state_dict"])
    module.eval()
    return module, history


@torch.inference_mode()
def _predict(module: SiteNetModule, loader: Iterable[Batch]) -> NDArray[np.float64]:
    """Return the predictions for a part in its order, [N, T]."""
    values = [module(batch.to(module.device)).cpu() for batch in loader]
    none = torch.empty(0, len(module.targets))
    array: NDArray[np.float64] = torch.cat([none, *values]).double().numpy()
    return array
