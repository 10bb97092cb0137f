"""The crystals of a run: encoded or found in the cache, and split."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule, splits_by_id
from pyg_sitenet.data.batches.loader import Loading
from pyg_sitenet.data.classes import with_classes
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.sources.open import absolute_source
from pyg_sitenet.model_file import read_description
from pyg_sitenet.training.batches import prepare_batch
from pyg_sitenet.training.checks import check_data
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.workers.cores import num_cores

_MOST = 4  # processes that read for a device

_logger = logging.getLogger(__name__)


def complete(config: Config) -> Config:
    """Settle what a run depends on: where its data are, its units and its classes.

    Targets of a model to start from are learnt in its units.

    Raises:
        DataError: If the source cannot be opened, has no such target, or has classes
            that are none.
        ModelFileError: If there is no such model.
    """
    units = config.data.units
    if config.training.initial_model is not None:
        trained = read_description(config.training.initial_model).units
        before = {k: unit for k, unit in trained.items() if k in config.data.targets}
        units = {**before, **units}
    changes = {"source": absolute_source(config.data.source), "units": units}
    data = with_classes(config.data.model_copy(update=changes))
    return config.model_copy(update={"data": data})


def load_data(
    config: Config,
    cache: str | Path | None,
    splits: Mapping[str, Sequence[str]] | None,
    devices: Devices,
    *,
    progress: bool,
) -> CrystalDataModule:
    """Encode or load the crystals, and split them; check what only they can tell."""
    shown = progress and devices.rank == 0
    dataset = load_dataset(config, cache_folder(cache), progress=shown)
    data = CrystalDataModule(
        dataset,
        config.data,
        config.training.seed,
        None if splits is None else splits_by_id(dataset, splits),
        num_replicas=devices.num_processes,
        rank=devices.rank,
        loading=_loading(config, devices),
    )
    check_data(config, data)
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
