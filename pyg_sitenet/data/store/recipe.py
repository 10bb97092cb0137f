"""How a data set on disk is made: what from, with which settings, and made again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.store.fingerprint import describe, fingerprint, is_telling
from pyg_sitenet.data.store.reader import Repair, Store, read_index
from pyg_sitenet.data.store.writer import Advance, Builder
from pyg_sitenet.errors import DataError
from pyg_sitenet.workers.cluster import Cluster

Opener = Callable[..., Source]


@dataclass(frozen=True)
class Recipe:
    """What the graphs of a data set are made of, and how.

    Args:
        source: Anything that ``opener`` opens.
        targets: Names of the targets.
        encoder: What makes the graphs.
        time_limit: Seconds a crystal may take; None for no limit.
        workers: Processes; 0 takes one per core.
        classes: Labels of the targets that are classes.
        opener: Opens the source (:func:`~pyg_sitenet.data.sources.open_source`, which
            the store, being below it, is handed).
        group: Column that tells which crystals belong together; empty for none.
    """

    source: str | Path | Sequence[str | Path]
    targets: tuple[str, ...]
    encoder: Encoder
    time_limit: float | None
    workers: int
    opener: Opener
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group: str = ""

    def open(self) -> Source:
        """Open the source."""
        return self.opener(
            self.source, self.targets, classes=self.classes, group=self.group
        )

    def settings(self, source: Source) -> dict[str, str]:
        """Return all that the graphs depend on."""
        encoder = self.encoder
        return {
            "source": source.digest(),
            "targets": repr(self.targets),
            "classes": repr({k: tuple(v) for k, v in self.classes.items()}),
            "group": self.group,
            "max_atoms": repr(encoder.max_atoms),
            "environment": encoder.environment,
            "primitive_tolerance": repr(encoder.primitive_tolerance),
            "disorder": repr(encoder.disorder_settings),
            "time_limit": repr(self.time_limit),
            "pre_filter": describe(encoder.pre_filter),
            "pre_transform": describe(encoder.pre_transform),
        }

    def builder(
        self,
        folder: Path,
        source: Source,
        advance: Advance = lambda _: None,
        cluster: Cluster | None = None,
    ) -> Builder:
        """Return what writes the shards."""
        return Builder(
            folder,
            source.entries,
            self.encoder,
            workers=self.workers,
            time_limit=self.time_limit,
            advance=advance,
            cluster=cluster,
        )


def open_store(
    parent: Path,
    recipe: Recipe,
    source: Source,
    *,
    anew: bool = False,
    progress: bool = False,
) -> Store:
    """Open the folder of a data set below ``parent``, after writing what is missing.

    Args:
        parent: Folder of folders, one for each hash of settings.
        recipe: How the graphs are made.
        source: Its source, opened.
        anew: Write all of it again.
        progress: Show a progress bar on the terminal.

    Raises:
        DataError: If the folder cannot be written.
    """
    settings = recipe.settings(source)
    key = fingerprint(settings)
    folder = parent / f"{_slug(source.name)}-{key}"
    # Functions without a description may have changed since.
    if anew or not all(map(is_telling, settings.values())):
        shutil.rmtree(folder, ignore_errors=True)
    return fill_store(folder, recipe, source, key, progress=progress)


def fill_store(
    folder: Path,
    recipe: Recipe,
    source: Source,
    key: str,
    *,
    progress: bool = False,
    cluster: Cluster | None = None,
) -> Store:
    """Open a folder of shards, after writing what is missing.

    Args:
        folder: Where the shards are, or go.
        recipe: How the graphs are made.
        source: Its source, opened.
        key: Hash of content, settings and code.
        progress: Show a progress bar on the terminal.
        cluster: Where to encode, if not here.

    Raises:
        DataError: If the folder cannot be written.
        ClusterError: If the cluster cannot do the work.
    """
    index = read_index(folder)
    if index is None:
        with _progress_bar(source, shown=progress) as advance:
            recipe.builder(folder, source, advance, cluster).build()
        index = read_index(folder)
    if index is None:
        raise DataError(f"{folder}: the index that was just written cannot be read")
    return Store(folder, index, make_repair(recipe, folder, key))


def make_repair(recipe: Recipe, folder: Path, key: str) -> Repair:
    """Return what makes a damaged shard of a folder anew."""
    return partial(_repair, recipe, folder, key)


def _repair(recipe: Recipe, folder: Path, key: str, number: int) -> str:
    """Make a damaged shard anew, from a source that is still the same."""
    damaged = f"{folder}: part {number} of the encoded crystals is damaged or missing"
    try:
        source = recipe.open()
    except DataError as error:
        raise DataError(
            f"{damaged}, and cannot be made again: {error}; bring the source back, or "
            "delete this folder"
        ) from error
    if fingerprint(recipe.settings(source)) != key:
        raise DataError(
            f"{damaged}, and cannot be made again: {source.name} has changed since; "
            "delete this folder, or open the data set anew"
        )
    return recipe.builder(folder, source).rebuild(number)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(name).name).strip("-")[:40] or "crystals"


@contextmanager
def _progress_bar(source: Source, *, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"Encoding {source.name}", total=source.count)
        yield lambda number: bar.advance(task, number)
