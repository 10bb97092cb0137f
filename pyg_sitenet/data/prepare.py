"""Crystals in, a folder of encoded crystals out, to be used as data."""

from __future__ import annotations

import csv
from dataclasses import astuple, fields, replace
from pathlib import Path

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.classes import with_classes
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.data.sources.open import absolute_source
from pyg_sitenet.data.sources.prepared import (
    MARKER,
    Prepared,
    is_prepared,
    read_prepared,
    settings_of,
)
from pyg_sitenet.data.store.fingerprint import fingerprint
from pyg_sitenet.data.store.reader import Store
from pyg_sitenet.data.store.recipe import Recipe, fill_store
from pyg_sitenet.errors import DataError
from pyg_sitenet.transforms import MergeEquivalent
from pyg_sitenet.workers.cluster import Cluster


def prepare(
    config: DataConfig,
    output: str | Path,
    *,
    targets: tuple[str, ...] | None = None,
    progress: bool = False,
    cluster: Cluster | None = None,
) -> tuple[Prepared, Ledger]:
    """Encode all crystals of a source into a folder that can be used as data.

    Done again with the same settings it goes on where it was interrupted. The folder
    holds ``prepared.json`` (settings and counts), ``graphs/`` and ``failures.csv``.

    Args:
        config: Source, targets and how crystals become graphs.
        output: The folder.
        targets: Other targets than those of the settings; none for crystals that are
            only to be predicted.
        progress: Show a progress bar on standard error.
        cluster: Where to encode (:func:`~pyg_sitenet.workers.cluster.open_cluster`), if
            not here; the folder will be the same.

    Returns:
        What is known of the folder, and what became of the inputs.

    Raises:
        DataError: If the source cannot be opened or has no such target, if no crystal
            of it can be used, or if the folder cannot be written or holds others.
        ClusterError: If the cluster cannot do the work.
    """
    if is_prepared(config.source):
        raise DataError(f"{config.source}: is prepared already; use it as it is")
    if targets is not None:
        config = config.model_copy(update={"targets": targets, "classes": {}})
    config = with_classes(config)
    recipe = _recipe(config)
    source = recipe.open()
    prepared = _begin(Path(output), recipe, source, config)
    store = fill_store(
        prepared.graphs,
        recipe,
        source,
        prepared.key,
        progress=progress,
        cluster=cluster,
    )
    ledger = store.index.ledger
    _write_failures(prepared.failures, store)
    prepared = replace(prepared, complete=True, counts=ledger.counts())
    prepared.write()
    if not ledger.used:
        raise DataError(
            f"{source.name}: none of {ledger.read} inputs can be used, see "
            f"{prepared.failures}"
        )
    return prepared, ledger


def _recipe(config: DataConfig) -> Recipe:
    encoder = Encoder(
        config.max_atoms,
        config.environment,
        config.primitive_tolerance,
        pre_transform=MergeEquivalent() if config.merge else None,
        disorder=config.disorder,
        orderings=config.orderings,
        disorder_seed=config.disorder_seed,
    )
    return Recipe(
        absolute_source(config.source),  # to repair damage from any folder
        config.targets,
        encoder,
        config.time_limit,
        config.workers,
        open_source,
        config.classes,
        config.group,
    )


def _begin(
    folder: Path, recipe: Recipe, source: Source, config: DataConfig
) -> Prepared:
    """Mark the folder, or find that it is the one to go on with."""
    prepared = Prepared(
        folder=folder,
        opener=open_source,
        source=str(recipe.source),
        targets=recipe.targets,
        units={
            name: unit
            for name, unit in {**source.units, **config.units}.items()
            if name in recipe.targets
        },
        settings=settings_of(recipe.encoder) | {"data.time_limit": config.time_limit},
        key=fingerprint(recipe.settings(source)),
        code=fingerprint({}),
        classes={name: tuple(of) for name, of in recipe.classes.items()},
        group=recipe.group,
    )
    if is_prepared(folder):
        _check_same(read_prepared(folder, open_source), prepared)
    elif folder.exists() and any(one.name != "graphs" for one in folder.iterdir()):
        raise DataError(f"{folder}: is not empty; choose another output folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        prepared.write()
    except OSError as error:
        raise DataError(
            f"{folder}: the output folder cannot be written: "
            f"{error.strerror or error}; choose another"
        ) from error
    return prepared


def _check_same(old: Prepared, new: Prepared) -> None:
    if old.key == new.key:
        return
    names = ("source", "targets", "classes", "group")
    before, after = (
        one.settings | {name: getattr(one, name) for name in names}
        for one in (old, new)
    )
    changed = [
        f"{name} = {before.get(name)!r}, not {value!r}"
        for name, value in after.items()
        if before.get(name) != value
    ]
    why = ", ".join(changed) or "crystals of another content, or by another version"
    raise DataError(
        f"{old.folder / MARKER}: the folder was prepared with {why}; choose another "
        "output folder, or delete this one"
    )


def _write_failures(path: Path, store: Store) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([one.name for one in fields(Failure)])
        writer.writerows(map(astuple, store.failures()))
