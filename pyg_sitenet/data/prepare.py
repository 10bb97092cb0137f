"""Encode the crystals of a source into a folder that can be used as data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.classes import with_classes
from pyg_sitenet.data.failures_file import write_failures
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.data.sources.open import absolute_source
from pyg_sitenet.data.store.folder import (
    MARKER,
    PreparedFolder,
    is_prepared,
    read_prepared,
)
from pyg_sitenet.data.store.recipe import Recipe
from pyg_sitenet.errors import DataError
from pyg_sitenet.file_locks import FOLDER_LOCK, locked_folder
from pyg_sitenet.workers.cluster import Cluster

_logger = logging.getLogger(__name__)


def prepare(
    config: DataConfig,
    output: str | Path,
    *,
    targets: tuple[str, ...] | None = None,
    progress: bool = False,
    cluster: Cluster | None = None,
) -> tuple[PreparedFolder, Ledger]:
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
        The folder, and what became of the inputs.

    Raises:
        DataError: If the source cannot be opened or has no such target, if no crystal
            of it can be used, or if the folder cannot be written or holds others.
        SiteNetError: If another run prepares the same folder.
        ClusterError: If the cluster cannot do the work.
    """
    if is_prepared(config.source):
        raise DataError(f"{config.source}: is prepared already; use it as it is")
    # Absolute, to repair damage from any folder.
    change: dict[str, Any] = {"source": absolute_source(config.source)}
    if targets is not None:
        change |= {"targets": targets, "classes": {}}
    config = with_classes(config.model_copy(update=change))
    recipe = Recipe.from_config(config, open_source)
    source = recipe.open()
    for note in source.notes:
        _logger.warning("%s", note)
    with locked_folder(Path(output)):
        return _fill(Path(output), config, recipe, source, progress, cluster)


def _fill(
    path: Path,
    config: DataConfig,
    recipe: Recipe,
    source: Source,
    progress: bool,
    cluster: Cluster | None,
) -> tuple[PreparedFolder, Ledger]:
    """Encode into a folder that no other run writes to."""
    folder = _begin(path, recipe, source, {**source.units, **config.units})
    store = folder.fill(source, progress=progress, cluster=cluster)
    ledger = store.index.ledger
    write_failures(folder.failures, store.failures())
    folder = replace(folder, counts=ledger.counts())
    folder.write()
    if not ledger.used:
        raise DataError(
            f"{source.name}: none of {ledger.read} inputs can be used, see "
            f"{folder.failures}"
        )
    return folder, ledger


def _begin(
    path: Path, recipe: Recipe, source: Source, units: Mapping[str, str]
) -> PreparedFolder:
    """Mark the folder, or find that it is the one to go on with."""
    target_units = {
        name: unit for name, unit in units.items() if name in recipe.targets
    }
    folder = PreparedFolder(path, recipe, target_units, recipe.key(source.digest()))
    if is_prepared(path):
        _check_same(read_prepared(path, open_source), folder)
    elif any(file.name != FOLDER_LOCK for file in path.iterdir()):
        raise DataError(f"{path}: is not empty; choose another output folder")
    folder.write()
    return folder


def _check_same(old: PreparedFolder, new: PreparedFolder) -> None:
    if old.key == new.key:
        return
    before, after = map(_flat_description, (old, new))
    changed = [
        f"{name} = {before.get(name)!r}, not {value!r}"
        for name, value in after.items()
        # Where the crystals lie is free: what they are decides.
        if before.get(name) != value and name != "data.source"
    ]
    why = ", ".join(changed) or "crystals of another content, or by another version"
    raise DataError(
        f"{old.path / MARKER}: the folder was prepared with {why}; choose another "
        "output folder, or delete this one"
    )


def _flat_description(folder: PreparedFolder) -> dict[str, Any]:
    values = folder.recipe.description()
    settings = values.pop("settings")
    return {f"data.{name}": value for name, value in {**settings, **values}.items()}
