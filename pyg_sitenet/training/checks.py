"""Settings that contradict each other or the data, said before the first step."""

from __future__ import annotations

import torch

from pyg_sitenet.config import Config
from pyg_sitenet.data.datamodule import CrystalDataModule
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.objective import check_targets


def check_config(config: Config) -> None:
    """Check settings against each other.

    Raises:
        ConfigError: If a setting names no target, or needs another one.
    """
    data, training = config.data, config.training
    for name in training.target_transform:
        if name not in data.targets:
            raise ConfigError(
                f"training.target_transform names {name!r}, which is no target; "
                f"data.targets has {', '.join(data.targets)}"
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


def check_data(config: Config, data: CrystalDataModule) -> None:
    """Check settings against the crystals.

    Raises:
        ConfigError: If the training should stop early and nothing is validated.
        DataError: If no crystal to train on has a target, or a logarithm is asked for
            where there is none.
    """
    if config.training.early_stopping is not None and not len(data.splits["val"]):
        raise ConfigError(
            f"training.early_stopping needs crystals to validate, and of "
            f"{len(data.dataset)} there are none; raise data.val_fraction or do without"
        )
    known = ~torch.isnan(data.part("train").y)
    for name, is_known in zip(config.data.targets, known.any(dim=0), strict=True):
        if not is_known:
            raise DataError(
                f"the target {name!r} is known for none of the {len(known)} crystals to"
                " train on; add values or leave it out of data.targets"
            )
    if config.training.target_transform:
        check_targets(data.dataset.y, data.dataset.ids, OutputLayout.of(config))
