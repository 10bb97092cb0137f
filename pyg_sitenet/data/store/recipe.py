"""Source and settings of a stored data set, and how to rebuild it from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.store.fingerprint import fingerprint
from pyg_sitenet.data.store.reader import Repair
from pyg_sitenet.data.store.writer import Builder
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.safe_text import terminal_text
from pyg_sitenet.workers.cluster import Cluster

Opener = Callable[..., Source]


@dataclass(frozen=True)
class Recipe:
    """What the graphs of a data set are made of, and how.

    Args:
        source: Anything that ``opener`` opens.
        targets: Names of the targets.
        encoder: Makes the graphs.
        opener: Opens the source (:func:`~pyg_sitenet.data.sources.open_source`, which
            the store, being below it, is handed).
        time_limit: Seconds a crystal may take; None for no limit.
        workers: Processes; 0 takes one per core.
        classes: Labels of the targets that are classes.
        group: Column that tells which crystals belong together; empty for none.
        units: Unit that the numbers of a target are wanted in.
    """

    source: str | Path | Sequence[str | Path]
    targets: tuple[str, ...]
    encoder: Encoder
    opener: Opener
    time_limit: float | None = 60.0
    workers: int = 0
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    group: str = ""
    units: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_config(cls, config: DataConfig, opener: Opener) -> Recipe:
        """Return the recipe that the settings of a run ask for."""
        return cls(
            config.source,
            config.targets,
            Encoder.from_config(config),
            opener,
            config.time_limit,
            config.workers,
            config.classes,
            config.group,
            config.units,
        )

    @classmethod
    def from_description(cls, values: Mapping[str, Any], opener: Opener) -> Recipe:
        """Return the recipe that was described so.

        Raises:
            ConfigError: If the graphs were made with functions of the user.
        """
        return cls(
            values["source"],
            tuple(values["targets"]),
            _encoder_of(values["settings"]),
            opener,
            values["time_limit"],
            classes={name: tuple(labels) for name, labels in values["classes"].items()},
            group=values["group"],
            units=values["wanted_units"],
        )

    def checked(self) -> Recipe:
        """Return the recipe itself, if what it names are files and targets.

        Raises:
            TypeError: If the source is something else, such as structures in memory.
            DataError: If units or classes name what is no target.
        """
        source = self.source
        for part in source if isinstance(source, list | tuple) else [source]:
            if not isinstance(part, str | os.PathLike):
                raise TypeError(
                    "`source` must be a path, the name of a data set or several paths,"
                    f" got {type(part).__name__}; encode_structure makes a graph of a "
                    "structure in memory"
                )
        for kind, named in (("units", self.units), ("classes", self.classes)):
            for name in named:
                if name not in self.targets:
                    raise DataError(
                        f"`{kind}` names {name!r}, which is no target; `targets` has "
                        f"{', '.join(self.targets)}"
                    )
        return self

    def description(self) -> dict[str, Any]:
        """Return source, targets and all settings that the graphs depend on."""
        source: str | list[str]
        if isinstance(self.source, str | Path):
            source = str(self.source)
        else:
            source = [str(part) for part in self.source]
        return {
            "source": source,
            "targets": list(self.targets),
            "classes": {name: list(labels) for name, labels in self.classes.items()},
            "group": self.group,
            "wanted_units": dict(self.units),
            "time_limit": self.time_limit,
            "settings": self.encoder.settings(),
        }

    def key(self, content: str) -> str:
        """Return a hash of content, settings, code and libraries.

        Args:
            content: Hash of what the source holds: it counts, not where it lies.
        """
        return fingerprint(self.description() | {"source": content})

    def open(self) -> Source:
        """Open the source."""
        return self.opener(
            self.source,
            self.targets,
            classes=self.classes,
            group=self.group,
            units=self.units,
        )

    def build(
        self,
        folder: Path,
        source: Source,
        *,
        progress: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        """Write the shards that are missing in a folder, then the index.

        Args:
            folder: Where the shards are, or go.
            source: The source, opened.
            progress: Show a progress bar on the terminal.
            cluster: Where to encode, if not here.

        Raises:
            DataError: If the folder cannot be written.
            ClusterError: If the cluster cannot do the work.
        """
        with _progress_bar(source, shown=progress) as advance:
            self._builder(folder, source, advance=advance, cluster=cluster).build()

    def repair_of(self, folder: Path, key: str) -> Repair:
        """Return a function that rebuilds a damaged shard of a folder.

        Args:
            folder: Where the shards are.
            key: What :meth:`key` was when they were written.
        """
        return partial(self._rebuild, folder, key)

    def _rebuild(self, folder: Path, key: str, number: int) -> str:
        """Rebuild a damaged shard from a source that has not changed since."""
        damage = (
            f"{folder}: part {number} of the encoded crystals is damaged or missing"
        )
        try:
            source = self.open()
        except DataError as error:
            raise DataError(
                f"{damage}, and cannot be made again: {error}; bring the source back, "
                "or delete this folder"
            ) from error
        if self.key(source.digest()) != key:
            raise DataError(
                f"{damage}, and cannot be made again: {source.name} has changed since; "
                "delete this folder, or open the data set anew"
            )
        return self._builder(folder, source).rebuild(number)

    def _builder(self, folder: Path, source: Source, **options: Any) -> Builder:  # noqa: ANN401
        return Builder(
            folder,
            source.entries,
            self.encoder,
            workers=self.workers,
            time_limit=self.time_limit,
            **options,
        )


def _encoder_of(settings: Mapping[str, Any]) -> Encoder:
    """Return the encoder that has these ``settings()``."""
    if isinstance(settings["merge"], str) or settings["pre_filter"]:
        raise ConfigError(
            "the crystals were encoded with a `pre_transform` or `pre_filter` of "
            "your own, which cannot be made from its description; take the source "
            "they were encoded from"
        )
    names = [name for name in settings if name in DataConfig.model_fields]
    return Encoder.from_config(DataConfig(**{name: settings[name] for name in names}))


@contextmanager
def _progress_bar(source: Source, *, shown: bool) -> Iterator[Callable[[int], None]]:
    if not shown:
        yield lambda _: None
        return
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(
            f"Encoding {escape(terminal_text(source.name))}", total=source.count
        )
        yield lambda number: bar.advance(task, number)
