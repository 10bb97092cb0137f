"""What the data hide, told before the training begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pyg_sitenet.config import Config, TrainingConfig
from pyg_sitenet.data.batches.datamodule import CrystalDataModule, first_graphs
from pyg_sitenet.data.batches.equal_crystals import equal_crystals, look_at
from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.data.readers.units import parse_unit
from pyg_sitenet.model_file import read_description
from pyg_sitenet.prediction.headings import column_name, with_unit
from pyg_sitenet.training.leakage import PARTS, Crystals, leakage_notes
from pyg_sitenet.training.value_notes import value_notes

_SHOWN = 10  # names in a line


def data_notes(config: Config, data: CrystalDataModule, *, is_drawn: bool) -> list[str]:
    """Return a line for each thing that a user should know of the data.

    Equal crystals under other ids, targets that hardly vary or have values far from all
    others, classes that a part lacks, crystals and formulas of the test that were
    learnt, columns and units that are not used, units that either the data or the
    model to start from does not state, and values that were read otherwise than they
    stand there.

    Args:
        config: All settings.
        data: The crystals, split.
        is_drawn: Whether the split was drawn, rather than given by the caller.
    """
    crystals = _crystals(data)
    notes = [*data.dataset.notes, *_unused(config, data), *_values(config, crystals)]
    notes += _missing_classes(config, crystals)
    notes += leakage_notes(config, crystals, is_drawn=is_drawn)
    units = data.dataset.units
    notes += [*_renamed_columns(config.data.targets, units), *_unused_units(config)]
    notes += _units_of_start(config, units)
    return [*notes, *_warm_up(config.training)]


def _crystals(data: CrystalDataModule) -> Crystals:
    ids, parts = data.dataset.ids, np.full(len(data.dataset), "", dtype=object)
    for part, graphs in data.splits.items():
        parts[graphs] = part
    starts = first_graphs(ids)
    looks = look_at(data.dataset, starts.tolist())
    return Crystals(
        [ids[k] for k in starts],
        parts[starts].tolist(),
        data.dataset.y[starts].double().numpy(),
        looks.formulas,
        equal_crystals(looks),
    )


def _unused(config: Config, data: CrystalDataModule) -> Iterator[str]:
    names = data.dataset.unused
    if names and config.data.source not in BUNDLED:
        yield f"columns that are not used: {_listed(names)}"


def _renamed_columns(targets: Sequence[str], units: Mapping[str, str]) -> Iterator[str]:
    for name in targets:
        column, own = column_name(name, units), with_unit(name, units.get(name, ""))
        if column != own:
            yield (
                f"{name}: tables have a column {own!r} of their own, so that the"
                f" target is called {column!r} in them"
            )


def _unused_units(config: Config) -> Iterator[str]:
    targets = config.data.targets
    for name, unit in config.data.units.items():
        if parse_unit(unit) is None:
            yield (
                f"data.units: {unit!r} of {name} is no unit that is known, so that"
                " values in another one will not be converted"
            )
        if name not in targets:
            yield f"data.units names {name!r}, which is no target ({_listed(targets)})"


def _units_of_start(config: Config, stated: Mapping[str, str]) -> Iterator[str]:
    path = config.training.initial_model
    if path is None:
        return
    trained = read_description(path)
    for name in config.data.targets:
        if name not in trained.targets or name in config.data.classes:
            continue
        old, new = trained.units.get(name, ""), stated.get(name, "")
        if old and not new:
            yield (
                f"{name}: the data state no unit, so that the values are taken to be in"
                f" {old}, that of {path}; if they are not, state it in the heading"
            )
        elif new and not old:
            yield (
                f"{name}: {path} has no unit, so that it is taken to have learnt"
                f" values in {new}, that of the data"
            )


def _warm_up(training: TrainingConfig) -> Iterator[str]:
    warmup, epochs = training.warmup_epochs, training.max_epochs
    if training.schedule != "one_cycle" and 0 < epochs <= warmup:
        yield (
            f"training.warmup_epochs={warmup} is not shorter than the training"
            f" (training.max_epochs={epochs}): the learning rate still rises when it"
            " ends; train longer, or set training.warmup_epochs=0"
        )


def _values(config: Config, crystals: Crystals) -> Iterator[str]:
    is_train = np.array([part == "train" for part in crystals.parts])
    for t, name in enumerate(config.data.targets):
        values, training = crystals.y[:, t], config.training
        if name in config.data.classes:
            continue
        yield from value_notes(name, values[is_train], values)
        negative = int((values < 0).sum())
        bounded = config.model.output != "identity" and name not in (
            training.target_transform
        )
        if bounded and negative:
            yield (
                f"{name}: is below 0 for {negative} of {len(values)} crystals, which"
                f" model.output={config.model.output} never gives; set"
                " model.output=identity if they are meant"
            )


def _missing_classes(config: Config, crystals: Crystals) -> Iterator[str]:
    for t, name in enumerate(config.data.targets):
        labels = config.data.classes.get(name, ())
        for part, title in PARTS.items():
            inside = np.array([other == part for other in crystals.parts])
            counts = [
                int((crystals.y[inside, t] == k).sum()) for k in range(len(labels))
            ]
            missing = [k for k, count in enumerate(counts) if not count]
            if not sum(counts) or not missing:
                continue
            totals = [int((crystals.y[:, t] == k).sum()) for k in missing]
            shown = _listed(
                f"{labels[k]!r} ({total} in all)"
                for k, total in zip(missing, totals, strict=True)
            )
            is_single = len(labels) - len(missing) == 1
            effect = (
                "where the scores are null"
                if is_single
                else "whose scores leave it out"
            )
            yield f"{name}: no crystal of {shown} in the {title} part, {effect}"


def _listed(names: Sequence[str] | Iterator[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
