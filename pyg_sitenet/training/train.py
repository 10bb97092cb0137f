"""A whole run: configuration in, run folder out; nothing is printed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sitenet.config import Config
from pyg_sitenet.data.bundled import BUNDLED
from pyg_sitenet.data.datamodule import CrystalDataModule
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.model_file import ModelDescription, library_versions, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.training.baselines import fit_baselines
from pyg_sitenet.training.callbacks import History
from pyg_sitenet.training.fit import fit, load_checkpoint
from pyg_sitenet.training.module import SiteNetModule
from pyg_sitenet.training.report import (
    Results,
    draw_figures,
    target_metrics,
    write_failures,
    write_metrics,
    write_predictions,
)
from pyg_sitenet.training.run_folder import (
    RunFolder,
    cache_folder,
    open_run_folder,
    write_config,
)


@dataclass(frozen=True, slots=True)
class RunResult:
    """Outcome of :func:`train`.

    Attributes:
        metrics: What ``metrics.json`` holds.
        folder: The run folder.
    """

    metrics: dict[str, Any]
    folder: Path


def train(
    config: Config,
    output: str | Path,
    *,
    resume: bool = False,
    progress: bool = False,
    cache: str | Path | None = None,
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
    is null) and the ``history`` of all epochs.

    Args:
        config: All settings.
        output: The run folder; must not hold a run yet, unless ``resume``.
        resume: Continue the run in ``output`` from its last complete epoch.
        progress: Show progress bars on standard error.
        cache: Folder for featurised data. (default: the environment variable
            ``PYG_SITENET_CACHE``, else the user's cache folder)

    Raises:
        DataError: If the data cannot be used at all.
        SiteNetError: If the output folder cannot be used, the loss is not finite, or
            training was interrupted (:class:`TrainingInterruptedError`).
    """
    start = time.perf_counter()
    config = _with_absolute_source(config)
    folder = open_run_folder(output, config, resume=resume)
    dataset = _load_dataset(config, cache, progress=progress)
    write_config(folder, config)
    write_failures(folder, dataset.failures)
    data = CrystalDataModule(dataset, config.data, config.training.seed)
    module, history = _fit(config, data, folder, resume=resume, progress=progress)
    units = {**dataset.units, **config.data.units}
    parts = {name: _graphs(data, name) for name in ("train", "val", "test")}
    results = {
        "val": _predict(module, data.val_dataloader(), parts["val"]),
        "test": _predict(module, data.test_dataloader(), parts["test"]),
    }
    metrics = {
        "targets": _target_metrics(config, parts, results, units),
        "num_crystals": {name: len(part) for name, part in parts.items()}
        | {"failed": len(dataset.failures)},
        "num_parameters": sum(p.numel() for p in module.model.parameters()),
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
        "notes": _notes(parts),
    }
    description = _describe(config, parts["train"], units, metrics)
    save_model(folder.model, module.model, description)
    metrics |= {"seconds": time.perf_counter() - start, "history": history.epochs}
    write_predictions(
        folder, parts["test"], results["test"], config.data.targets, units
    )
    draw_figures(folder, metrics, results["test"])
    write_metrics(folder, metrics)
    return RunResult(metrics, folder.path)


def _with_absolute_source(config: Config) -> Config:
    """Let ``config.yaml`` find the data from any folder."""
    source = Path(config.data.source)
    if config.data.source in BUNDLED or not source.exists():
        return config
    data = config.data.model_copy(update={"source": str(source.resolve())})
    return config.model_copy(update={"data": data})


def _load_dataset(
    config: Config, cache: str | Path | None, *, progress: bool
) -> CrystalDataset:
    data = config.data
    return CrystalDataset(
        cache_folder(cache),
        data.source,
        data.targets,
        max_atoms=data.max_atoms,
        environment=data.environment,
        primitive_tolerance=data.primitive_tolerance,
        workers=data.workers,
        progress=progress,
    )


def _fit(
    config: Config,
    data: CrystalDataModule,
    folder: RunFolder,
    *,
    resume: bool,
    progress: bool,
) -> tuple[SiteNetModule, History]:
    """Train, and return the kept weights: the best, or without validation the last."""
    train_loader = data.train_dataloader()
    validates = len(data.splits["val"]) > 0
    with torch.random.fork_rng():  # the caller's random numbers stay as they are
        torch.manual_seed(config.training.seed)
        module = SiteNetModule(
            SiteNet(config.model, num_targets=len(config.data.targets)),
            config.training,
            config.data.targets,
            _targets(_graphs(data, "train")),
            len(train_loader),
        )
        history = fit(
            module,
            train_loader,
            data.val_dataloader() if validates else None,
            folder,
            config.training,
            resume=resume,
            progress=progress,
        )
    if validates:
        module.load_state_dict(load_checkpoint(folder.best)["state_dict"])
    module.eval()
    return module, history


def _graphs(data: CrystalDataModule, part: str) -> list[Data]:
    return [data.dataset[int(i)] for i in data.splits[part]]


def _targets(graphs: Sequence[Data]) -> Tensor:
    return torch.cat([data.y for data in graphs])  # [N, T]


def _predict(
    module: SiteNetModule, loader: Iterable[Batch], graphs: Sequence[Data]
) -> Results:
    """Return known and predicted values in the order of the part."""
    if not graphs:
        empty = np.empty((0, len(module.targets)))
        return Results(empty, empty)
    with torch.inference_mode():
        values = [module(batch.to(module.device)).cpu() for batch in loader]
    truth = _targets(graphs).double().numpy()
    return Results(truth, torch.cat(values).double().numpy())


def _target_metrics(
    config: Config,
    parts: Mapping[str, Sequence[Data]],
    results: Mapping[str, Results],
    units: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    baselines = fit_baselines(parts["train"], parts["test"], config.training.seed)
    return target_metrics(
        results["test"], results["val"], baselines, config.data.targets, units
    )


def _notes(parts: Mapping[str, Sequence[Data]]) -> list[str]:
    total = sum(len(part) for part in parts.values())
    reasons = {
        "val": "no validation crystals: the weights are those of the last epoch",
        "test": "no test crystals: the test errors are null",
    }
    return [
        f"{reason} ({total} crystals in all, see data.{name}_fraction)"
        for name, reason in reasons.items()
        if not parts[name]
    ]


def _describe(
    config: Config,
    graphs: Sequence[Data],
    units: Mapping[str, str],
    metrics: Mapping[str, Any],
) -> ModelDescription:
    y = _targets(graphs)
    ranges = zip(y.amin(dim=0).tolist(), y.amax(dim=0).tolist(), strict=True)
    return ModelDescription(
        config=config,
        targets=config.data.targets,
        units={name: units[name] for name in config.data.targets if name in units},
        elements=tuple(torch.cat([data.z for data in graphs]).unique().tolist()),
        target_ranges=dict(zip(config.data.targets, ranges, strict=True)),
        versions=library_versions(),
        metrics=dict(metrics),
    )
