"""The parts of a fold: training, validation, test, and an inner test of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.strata import draw_alike
from pyg_sitenet.data.readers.named.matbench_tasks import Fold
from pyg_sitenet.errors import ConfigError

_INNER_PARTS = 5
_INNER_SEED = 77


def splits_of(
    ids: Sequence[str],
    truth: Mapping[str, float],
    parts: Fold,
    config: Config,
    fold: int,
) -> Mapping[str, list[str]]:
    """Take the validation part out of the training part of a fold."""
    training, test = parts
    random = np.random.default_rng([config.data.split_seed, fold])
    count = round(config.data.val_fraction * len(training))
    if config.data.classes:
        labels = [str(truth[id_]) for id_ in ids]
        val, train = draw_alike(training, labels, count, random)
    else:
        order = random.permutation(training)
        val, train = np.sort(order[:count]), np.sort(order[count:])
    rows = {"train": train, "val": val, "test": test}
    return {name: [ids[i] for i in part] for name, part in rows.items()}


def fold_names(
    folds: Sequence[int], *, inner: bool, crystals: int | None
) -> dict[int, str]:
    """Return the name of the run folder of each fold.

    Raises:
        ConfigError: If official folds are to be trained on part of their crystals.
    """
    if not inner and crystals is not None:
        raise ConfigError(
            f"crystals (--crystals) was {crystals} without inner (--inner); an "
            "official fold is trained on the whole of its training part"
        )
    kind, ending = ("inner" if inner else "fold"), (f"_{crystals}" if crystals else "")
    return {fold: f"{kind}_{fold}{ending}" for fold in folds}


def inner_folds(
    folds: Sequence[Fold], config: Config, crystals: int | None
) -> list[Fold]:
    """Divide the training part of each fold into one to train on and one to score.

    Raises:
        ConfigError: If there are not so many crystals to train on.
    """
    return [
        _inner_parts(
            training,
            np.random.default_rng([_INNER_SEED, fold, config.data.split_seed]),
            crystals,
        )
        for fold, (training, _) in enumerate(folds)
    ]


def _inner_parts(
    training: NDArray[np.int64], random: np.random.Generator, crystals: int | None
) -> Fold:
    order = random.permutation(training)
    count = len(training) // _INNER_PARTS
    train, test = order[count:], np.sort(order[:count])
    if crystals is not None and not 0 < crystals <= len(train):
        raise ConfigError(
            f"crystals (--crystals) must be from 1 to {len(train)}, four fifths of the "
            f"training part of a fold, got {crystals}"
        )
    return np.sort(train[:crystals]), test
