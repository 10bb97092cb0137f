"""Which crystals train, which validate, and which test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.config import DataConfig
from pyg_sitenet.errors import DataError

Indices = NDArray[np.int64]


def make_splits(config: DataConfig, groups: Sequence[str]) -> dict[str, Indices]:
    """Split crystals as a configuration says.

    Args:
        config: Kind of the split, fractions, folds and seed.
        groups: For each crystal what it must not be parted from others of (its formula,
            or a label); of no effect in a random split.

    Returns:
        The sorted indices of the parts ``"train"``, ``"val"``, ``"calibration"`` and
        ``"test"``.

    Raises:
        DataError: If there are fewer groups than folds.
    """
    seed, val = config.split_seed, config.val_fraction
    is_random = config.split == "random"
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
    found: dict[object, list[int]] = {}
    for i, group in enumerate(groups):
        found.setdefault(group, []).append(i)
    return [np.array(members, dtype=np.int64) for members in found.values()]


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
    if len(groups) < folds:
        raise DataError(
            f"{len(groups)} crystals or groups cannot make {folds} folds; ask for fewer"
        )
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


def _join(groups: Sequence[Indices]) -> Indices:
    empty = np.empty(0, dtype=np.int64)
    return np.sort(np.concatenate([empty, *groups]))
