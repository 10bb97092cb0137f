"""Settings and crystals of a run: settled, encoded or cached, split, and checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule, splits_by_id
from pyg_sitenet.data.batches.loader import Loading
from pyg_sitenet.data.classes import with_classes
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.sources.open import absolute_source
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.model_file import read_description
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.prediction.headings import check_columns
from pyg_sitenet.training.batches import prepare_batch
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.objective import check_targets, target_statistics
from pyg_sitenet.workers.cores import num_cores

_MOST = 4  # processes that read for a device

_logger = logging.getLogger(__name__)


def complete(config: Config) -> Config:
    """Settle what a run depends on: where its data are, its units and its classes.

    Targets of a model to start from are learnt in its units.

    Raises:
        ConfigError: If settings contradict each other, see :func:`check_config`.
        DataError: If the source cannot be opened, has no such target, or has classes
            that are none.
        ModelFileError: If there is no such model.
        TypeError: If ``config`` is something else, such as the name of a preset.
    """
    if not isinstance(config, Config):
        raise TypeError(
            "`config` must be a Config, as of load_preset('default') or of"
            f" load_config(file), got {type(config).__name__}"
        )
    units = config.data.units
    if config.training.initial_model is not None:
        trained = read_description(config.training.initial_model).units
        before = {k: unit for k, unit in trained.items() if k in config.data.targets}
        units = {**before, **units}
    changes = {"source": absolute_source(config.data.source), "units": units}
    data = with_classes(config.data.model_copy(update=changes))
    config = config.model_copy(update={"data": data})
    check_config(config)
    return config


def check_config(config: Config) -> None:
    """Check settings against each other.

    Raises:
        ConfigError: If a setting names no target, or needs another one.
    """
    data, training = config.data, config.training
    check_columns(OutputLayout.of(config).targets)
    for name in training.target_transform:
        if name not in data.targets:
            raise ConfigError(
                f"training.target_transform names {name!r}, which is no target; "
                f"data.targets has {', '.join(data.targets)}"
            )
        if name in data.classes:
            raise ConfigError(
                f"training.target_transform takes the logarithm of {name!r}, which has"
                f" the classes {', '.join(data.classes[name])}; leave it out"
            )
    if training.class_weights != "none" and not data.classes:
        raise ConfigError(
            f"training.class_weights={training.class_weights} needs a target of classes"
            f", and {', '.join(data.targets)} are numbers; set it to none, or name"
            " the target in data.classes"
        )
    if training.freeze_encoder and training.initial_model is None:
        raise ConfigError(
            "training.freeze_encoder would keep random weights; name a trained model "
            "with training.initial_model (--from)"
        )
    if data.folds is not None and data.fold >= data.folds:
        raise ConfigError(
            f"data.fold must be below data.folds = {data.folds} (they count from 0), "
            f"got {data.fold}"
        )


def load_data(
    config: Config,
    cache: str | Path | None,
    splits: Mapping[str, Sequence[str]] | None,
    devices: Devices,
    *,
    progress: bool,
) -> CrystalDataModule:
    """Encode or load the crystals, and split them; check what only they can tell."""
    loading = _loading(config, devices)
    shown = progress and devices.rank == 0
    dataset = load_dataset(config, cache_folder(cache), progress=shown)
    data = CrystalDataModule(
        dataset,
        config.data,
        config.training.seed,
        None if splits is None else splits_by_id(dataset, splits),
        num_replicas=devices.num_processes,
        rank=devices.rank,
        loading=loading,
    )
    train_y = data.part("train").y
    check_data(config, data, train_y)
    return data


def _loading(config: Config, devices: Devices) -> Loading:
    """Let others make the batches where a device would wait for them."""
    is_cuda = devices.accelerator in ("cuda", "gpu")
    workers = config.data.loader_workers
    if workers is None:
        workers = min(_MOST, num_cores() // devices.devices) if is_cuda else 0
    return Loading(workers, is_cuda, prepare_batch)


def load_dataset(config: Config, cache: Path, *, progress: bool) -> CrystalDataset:
    """Encode the crystals of a run, or find them in the cache."""
    data = config.data
    if data.merge and config.model.norm == "batch":
        _logger.warning(
            "equal sites and pairs are not merged: batch normalisation counts each of "
            "them while training (data.merge=false silences this)"
        )
        data = data.model_copy(update={"merge": False})
    return CrystalDataset.from_config(cache, data, progress=progress)


def check_data(config: Config, data: CrystalDataModule, train_y: Tensor) -> None:
    """Check settings against the crystals, of which some have the targets ``train_y``.

    Raises:
        ConfigError: If the training should stop early and nothing is validated, or if
            values could not be told apart without standardising them.
        DataError: If no crystal to train on has a target or is of a class, or if a
            logarithm is asked for where there is none.
    """
    if config.training.early_stopping is not None and not len(data.splits["val"]):
        raise ConfigError(
            f"training.early_stopping needs crystals to validate, and of "
            f"{len(data.dataset)} there are none; raise data.val_fraction or do without"
        )
    has_target = ~torch.isnan(train_y)
    for name, is_known in zip(config.data.targets, has_target.any(dim=0), strict=True):
        if not is_known:
            raise DataError(
                f"the target {name!r} is known for none of the {len(has_target)}"
                " crystals to train on; add values or leave it out of data.targets"
            )
    _check_classes(config, data, train_y)
    _check_digits(config, train_y)
    if config.training.target_transform:
        check_targets(data.dataset.y, data.dataset.ids, OutputLayout.of(config))


def _check_digits(config: Config, train_y: Tensor) -> None:
    """Check that single precision tells the values of a target apart."""
    layout = OutputLayout.of(config)
    statistics = target_statistics(train_y, layout)
    if config.training.standardize_target:
        return
    for target in layout.targets:
        k = target.start
        if statistics.is_fine[k]:
            raise ConfigError(
                f"the values of {target.name!r} lie about {statistics.mean[k]:.7g} and"
                f" differ by {statistics.spread[k]:.2g}, which single precision does"
                " not tell apart; set training.standardize_target=true, which takes the"
                " mean off before"
            )


def _check_classes(config: Config, data: CrystalDataModule, train_y: Tensor) -> None:
    """Check that there is something to learn of each class."""
    everything = data.dataset.y
    for t, name in enumerate(config.data.targets):
        for number, label in enumerate(config.data.classes.get(name, ())):
            if (train_y[:, t] == number).any():
                continue
            total = int((everything[:, t] == number).sum())
            raise DataError(
                f"the class {label!r} of {name!r} has no crystal among the"
                f" {len(train_y)} to train on ({total} in all); add some, choose"
                " another data.split_seed, or leave it out of data.classes"
            )
