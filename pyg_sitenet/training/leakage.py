"""Crystals that held-out parts share with what was learnt, told before the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyg_sitenet.config import Config
from pyg_sitenet.evaluation.learnt import Learnt

Array = NDArray[np.float64]

PARTS = {
    "train": "training",
    "val": "validation",
    "calibration": "calibration",
    "test": "test",
}


class Crystals(NamedTuple):
    """The crystals of a run, each once however many graphs it has.

    Attributes:
        ids: Names.
        parts: Which part each is in, empty for none.
        y: Targets, [N, T].
        formulas: Reduced formulas.
        equal: Places of crystals that are equal, for each that is there again.
    """

    ids: Sequence[str]
    parts: Sequence[str]
    y: Array
    formulas: Sequence[str]
    equal: Sequence[Sequence[int]]


def leakage_notes(
    config: Config, crystals: Crystals, *, is_drawn: bool
) -> Iterator[str]:
    """Yield a line for each way in which held-out crystals are not new.

    Equal crystals under other ids, those that a model to start from has learnt, and
    formulas that are in training and test.

    Args:
        config: All settings.
        crystals: Of the run.
        is_drawn: Whether the split was drawn, rather than given by the caller.
    """
    yield from _equal(config, crystals)
    yield from _learnt_before(config, crystals)
    if is_drawn and config.data.split == "random":
        yield from _polymorphs(crystals)


def _equal(config: Config, crystals: Crystals) -> Iterator[str]:
    groups = crystals.equal
    if not groups:
        return
    number = sum(map(len, groups))
    examples = ", ".join(crystals.ids[k] for k in groups[0][:3])
    line = (
        f"{number} crystals are equal to others under other ids ({len(groups)}"
        f" different ones, such as {examples})"
    )
    apart = [g for g in groups if len({crystals.parts[k] for k in g} - {""}) > 1]
    if apart:
        line += f"; {sum(map(len, apart))} of them are in several parts of the data"
    for t, name in enumerate(config.data.targets):
        ranges = [_range(crystals.y[group, t]) for group in groups]
        scale = (
            1e-3 * _range(crystals.y[:, t]) if name not in config.data.classes else 0
        )
        unlike = [k for k, width in enumerate(ranges) if width > scale]
        if unlike:
            count = sum(len(groups[k]) for k in unlike)
            line += f"; {count} have contradictory values of {name}"
            if name not in config.data.classes:
                line += f" (up to {max(ranges):.4g} apart)"
    remedy = "keep one of each"
    if apart and config.data.split == "random":
        remedy += ", or keep them in one part with data.split=composition"
    yield f"{line}; {remedy}"


def _learnt_before(config: Config, crystals: Crystals) -> Iterator[str]:
    """Say what of the held-out parts a model to start from has learnt."""
    model = config.training.initial_model
    if model is None:
        return
    learnt, shares = Learnt(model), []
    for part in ("test", "calibration"):
        values = [
            (
                crystals.ids[k],
                dict(zip(config.data.targets, crystals.y[k], strict=True)),
            )
            for k, other in enumerate(crystals.parts)
            if other == part
        ]
        if number := learnt.count(values):
            shares.append(f"{number} of {len(values)} {PARTS[part]} crystals")
    if shares:
        yield (
            f"{model}, which the training begins with, was trained on"
            f" {' and '.join(shares)}, to judge by their ids and values, so that their"
            " errors are not those of new crystals; hold them out of both trainings"
        )
    elif not learnt.is_known:
        yield (
            f"{model}, which the training begins with, does not tell its training"
            " crystals; if there are test crystals among them, the test error is not"
            " that of new ones"
        )


def _range(values: Array) -> float:
    numbers = values[~np.isnan(values)]
    return float(np.ptp(numbers)) if len(numbers) else 0.0


def _polymorphs(crystals: Crystals) -> Iterator[str]:
    pairs = list(zip(crystals.formulas, crystals.parts, strict=True))
    trained = {formula for formula, part in pairs if part == "train"}
    tested = [formula for formula, part in pairs if part == "test"]
    shared = [formula for formula in tested if formula in trained]
    if shared:
        yield (
            f"the formula of {len(shared)} of {len(tested)} test crystals is also in"
            f" the training part (such as {shared[0]}), so that the test error is not"
            " that of new compounds; data.split=composition keeps each formula in one"
            " part"
        )
