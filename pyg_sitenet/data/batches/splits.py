"""Which crystals train, which validate, and which test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.batches.strata import deal_alike, draw_alike
from pyg_sitenet.errors import DataError

Indices = NDArray[np.int64]


def make_splits(
    config: DataConfig, groups: Sequence[str], labels: Sequence[str] = ()
) -> dict[str, Indices]:
    """Split crystals as a configuration says.

    Args:
        config: Kind of the split, fractions, folds and seed.
        groups: For each crystal what it must not be parted from others of (its formula,
            or a label); of no effect in a random split.
        labels: For each crystal its class, empty if unknown, to have the same share of
            each in all parts of a random split; with groups these alone decide.

    Returns:
        The sorted indices of the parts ``"train"``, ``"val"``, ``"calibration"`` and
        ``"test"``.

    Raises:
        DataError: If there are fewer groups than folds, or than parts to fill.
    """
    seed, val = config.split_seed, config.val_fraction
    is_random = config.split == "random"
    if is_random and labels:
        return _split_alike(config, labels)
    if not is_random:
        _check_groups(config, groups)
    if config.folds is None and is_random:
        shares = (config.test_fraction, val, seed, config.calibration_fraction)
        return split_crystals(len(groups), *shares)
    members = _members(range(len(groups)) if is_random else groups)
    random = np.random.default_rng(seed)
    if config.folds is None:
        num_test = round(config.test_fraction * len(groups))
        test, rest = _draw(members, num_test, random)
    else:
        test, rest = _fold(members, config.folds, config.fold, random)
    num_rest = sum(map(len, rest))
    # Of its own seed, so that the test part does not depend on the validation.
    own = np.random.default_rng([seed, config.fold, 1])
    chosen, train = _draw(rest, round(val * num_rest), own)
    num_apart = round(config.calibration_fraction * num_rest)
    apart, train = _draw(
        train, num_apart, np.random.default_rng([seed, config.fold, 2])
    )
    parts = {"train": train, "val": chosen, "calibration": apart, "test": test}
    return {name: _join(part) for name, part in parts.items()}


def _split_alike(config: DataConfig, labels: Sequence[str]) -> dict[str, Indices]:
    """Split at random so that each class has its share of every part."""
    seed, everything = config.split_seed, np.arange(len(labels), dtype=np.int64)
    random = np.random.default_rng(seed)
    if config.folds is None:
        count = round(config.test_fraction * len(labels))
        test, rest = draw_alike(everything, labels, count, random)
    else:
        _check_folds(len(labels), config.folds)
        is_test = deal_alike(labels, config.folds, random) == config.fold
        test, rest = everything[is_test], everything[~is_test]
    left = len(rest)
    parts = {"test": test}
    shares = {"val": config.val_fraction, "calibration": config.calibration_fraction}
    for number, (part, share) in enumerate(shares.items(), 1):
        own = np.random.default_rng([seed, config.fold, number])
        parts[part], rest = draw_alike(rest, labels, round(share * left), own)
    return parts | {"train": rest}


def split_crystals(
    num_crystals: int,
    test_fraction: float,
    val_fraction: float,
    seed: int,
    calibration_fraction: float = 0.0,
) -> dict[str, Indices]:
    """Split crystals at random into training, validation, calibration and test parts.

    The test part depends on its fraction and the seed alone: another share of
    validation or calibration leaves it as it is. Training is never left empty: of one
    crystal it has the one, and the other parts have none.

    Args:
        num_crystals: How many there are.
        test_fraction: Share of all crystals, rounded.
        val_fraction: Share of what is left, rounded.
        seed: Decides the split.
        calibration_fraction: Share of what the test part leaves, rounded.

    Returns:
        The sorted indices of the parts ``"train"``, ``"val"``, ``"calibration"`` and
        ``"test"``.

    Example:
        >>> {part: len(i) for part, i in split_crystals(100, 0.2, 0.1, 0).items()}
        {'test': 20, 'val': 8, 'calibration': 0, 'train': 72}
    """
    order = np.random.default_rng(seed).permutation(num_crystals)
    num_test = min(round(test_fraction * num_crystals), max(num_crystals - 1, 0))
    left = num_crystals - num_test
    sizes = {
        "test": num_test,
        "val": round(val_fraction * left),
        "calibration": round(calibration_fraction * left),
    }
    parts = {}
    for part, size in sizes.items():
        end = min(size, max(len(order) - 1, 0))
        parts[part], order = np.sort(order[:end]), order[end:]
    return parts | {"train": np.sort(order)}


def _members(groups: Sequence[object]) -> list[Indices]:
    """Return the crystals of each group, in the order of first appearance."""
    members_of: dict[object, list[int]] = {}
    for i, group in enumerate(groups):
        members_of.setdefault(group, []).append(i)
    return [np.array(members, dtype=np.int64) for members in members_of.values()]


def _draw(
    groups: Sequence[Indices], count: int, random: np.random.Generator
) -> tuple[list[Indices], list[Indices]]:
    """Draw whole groups of ``count`` crystals at most, one at least; and the rest.

    At least one group is left.
    """
    drawn: set[int] = set()
    total = 0
    order = random.permutation(len(groups))
    for k in order:
        if total + len(groups[k]) <= count and len(drawn) + 1 < len(groups):
            drawn.add(int(k))
            total += len(groups[k])
    if count and not drawn and len(groups) > 1:  # each is larger than asked for
        drawn.add(int(min(order, key=lambda k: len(groups[k]))))
    rest = [group for k, group in enumerate(groups) if k not in drawn]
    return [groups[k] for k in sorted(drawn)], rest


def _fold(
    groups: Sequence[Indices], folds: int, fold: int, random: np.random.Generator
) -> tuple[list[Indices], list[Indices]]:
    """Deal the groups out to about equal folds; return those of one, and the rest."""
    _check_folds(len(groups), folds)
    order = sorted(random.permutation(len(groups)), key=lambda k: -len(groups[k]))
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = np.empty(len(groups), dtype=np.int64)
    for k in order:
        fold_of[k] = filled.argmin()
        filled[fold_of[k]] += len(groups[k])
    parts: tuple[list[Indices], list[Indices]] = ([], [])
    for k, group in enumerate(groups):
        parts[int(fold_of[k] != fold)].append(group)
    return parts


def _check_folds(count: int, folds: int) -> None:
    if count < folds:
        raise DataError(
            f"{count} crystals or groups cannot make {folds} folds; ask for fewer"
        )


def _check_groups(config: DataConfig, groups: Sequence[str]) -> None:
    """Check that each part that is asked for can have a group of its own."""
    shares = {
        "test": config.folds is not None or config.test_fraction > 0,
        "validation": config.val_fraction > 0,
        "calibration": config.calibration_fraction > 0,
    }
    parts = ["training", *(name for name, is_asked in shares.items() if is_asked)]
    count = len(set(groups))
    if config.group and count < len(parts):
        raise DataError(
            f"data.split={config.split}: {count} groups of {len(groups)} crystals"
            f" cannot fill {len(parts)} parts ({', '.join(parts)}); take a column with"
            " more labels, or set the fraction of a part to 0"
        )


def _join(groups: Sequence[Indices]) -> Indices:
    empty = np.empty(0, dtype=np.int64)
    return np.sort(np.concatenate([empty, *groups]))
