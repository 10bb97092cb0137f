"""A folder of encoded crystals: what they were made from, the graphs, their counts.

The cache of :class:`~pyg_sitenet.data.dataset.CrystalDataset` and what
``sitenet prepare`` writes have this one form: ``prepared.json`` and ``graphs/``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from pyg_sitenet.atomic_write import DAMAGE, write_text
from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.graph.description import is_telling
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.store.fingerprint import graph_versions
from pyg_sitenet.data.store.named_file import UNWRITABLE
from pyg_sitenet.data.store.reader import Store, read_index
from pyg_sitenet.data.store.recipe import Opener, Recipe
from pyg_sitenet.errors import ConfigError, DataError, reporting_os_error
from pyg_sitenet.workers.cluster import Cluster

MARKER = "prepared.json"
_PARTS = {"units": dict, "key": str, "versions": dict, "counts": dict}


@dataclass(frozen=True)
class PreparedFolder:
    """A folder of encoded crystals.

    Args:
        path: The folder.
        recipe: What the graphs are made of, and how.
        units: Unit of each target that states one.
        key: Hash of content, settings, code and libraries.
        versions: Of the code and the libraries that encoded them.
        counts: What became of the inputs, for people to read; the index has it, too.
    """

    path: Path
    recipe: Recipe
    units: dict[str, str]
    key: str
    versions: dict[str, str] = field(default_factory=graph_versions)
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def graphs(self) -> Path:
        """Folder of the shards."""
        return self.path / "graphs"

    @property
    def failures(self) -> Path:
        """Every input that could not be used, and why (``sitenet prepare`` alone)."""
        return self.path / "failures.csv"

    def write(self) -> None:
        """Write the file by which the folder is recognised.

        Raises:
            DataError: If the folder cannot be written.
        """
        values = self.recipe.description()
        for name in ("units", "key", "versions", "counts"):
            values[name] = getattr(self, name)
        text = json.dumps(values, indent=2) + "\n"
        remedy = (
            "choose a folder you may write to: the output of prepare, else the cache"
            " (PYG_SITENET_CACHE)"
        )
        with reporting_os_error(self.path, remedy, what=UNWRITABLE):
            self.path.mkdir(parents=True, exist_ok=True)
            write_text(self.path / MARKER, text, shared=True)

    def fill(
        self, source: Source, *, progress: bool = False, cluster: Cluster | None = None
    ) -> Store:
        """Encode what is missing and open the graphs.

        Args:
            source: The source of the recipe, opened.
            progress: Show a progress bar on the terminal.
            cluster: Where to encode, if not here.

        Raises:
            DataError: If the folder cannot be written.
            ClusterError: If the cluster cannot do the work.
        """
        if read_index(self.graphs) is None:
            # First the marker: graphs without it would be of unknown settings.
            self.write()
            self.recipe.build(self.graphs, source, progress=progress, cluster=cluster)
        return self._open_graphs(self.recipe)

    def store(self, encoder: Encoder) -> Store:
        """Open the graphs, if an encoder would make the same.

        Raises:
            ConfigError: If they were encoded with other settings.
            DataError: If they are not all there, or made by another version.
        """
        self.check(encoder)
        return self._open_graphs(replace(self.recipe, encoder=encoder))

    def check(self, encoder: Encoder) -> None:
        """Check that the graphs are what an encoder would make.

        Raises:
            ConfigError: If a setting differs; names it and both values.
            DataError: If another version of the package made them.
        """
        self._check_versions()
        before = self.recipe.encoder.settings()
        for name, value in encoder.settings().items():
            if value != before[name]:
                shown = f"data.{name}" if name in DataConfig.model_fields else name
                self.refuse(shown, before[name], value)

    def refuse(self, name: str, before: object, wanted: object) -> NoReturn:
        """Say which setting differs.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"{self.path}: was prepared with {name} = {before!r}, not {wanted!r}; "
            f"use that setting, or prepare the crystals again in another folder"
        )

    def _check_versions(self) -> None:
        for name, here in graph_versions().items():
            before = self.versions.get(name)
            if before != here:
                library = f"with {name} {before}, {here} is installed"
                author = "by another version of pyg_sitenet"
                raise DataError(
                    f"{self.path}: was prepared {author if name == 'code' else library}"
                    "; prepare it again in another folder"
                )

    def _open_graphs(self, recipe: Recipe) -> Store:
        index = read_index(self.graphs)
        if index is None:
            raise DataError(
                f"{self.path}: its crystals are not prepared completely; run "
                f"`sitenet prepare {recipe.source} --output {self.path}` again"
            )
        return Store(self.graphs, index, recipe.repair_of(self.graphs, self.key))


def open_cached(
    parent: Path,
    recipe: Recipe,
    source: Source,
    key: str,
    *,
    anew: bool = False,
    progress: bool = False,
) -> Store:
    """Open the folder of a data set below ``parent``, after encoding what is missing.

    Args:
        parent: Folder of folders, one for each key.
        recipe: How the graphs are made.
        source: Its source, opened.
        key: Hash of content, settings, code and libraries.
        anew: Encode all of it again.
        progress: Show a progress bar on the terminal.

    Raises:
        DataError: If the folder cannot be written.
    """
    folder = PreparedFolder(
        parent / f"{_slug(source.name)}-{key}", recipe, dict(source.units), key
    )
    # Functions without a description may have changed since.
    if anew or not is_telling(repr(recipe.encoder.settings())):
        shutil.rmtree(folder.path, ignore_errors=True)
    return folder.fill(source, progress=progress)


def is_prepared(source: object) -> bool:
    """Tell whether a source is the path of a folder of prepared crystals."""
    if not isinstance(source, str | Path):
        return False
    return os.path.isfile(Path(source).expanduser() / MARKER)


def read_prepared(path: str | Path, opener: Opener) -> PreparedFolder:
    """Read what is known of a folder of prepared crystals.

    Args:
        path: The folder.
        opener: Opens the source again, to repair damage.

    Raises:
        DataError: If its file is damaged.
        ConfigError: If the crystals were encoded with functions of the user.
    """
    folder = Path(path).expanduser()
    try:
        values = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        recipe = Recipe.from_description(values, opener)
        parts = [_typed(values, name, kind) for name, kind in _PARTS.items()]
    except ConfigError:
        raise
    except (*DAMAGE, OSError, AttributeError) as error:
        raise DataError(
            f"{folder / MARKER}: damaged, or of another version "
            f"({' '.join(str(error).split())}); delete the folder and prepare the "
            "crystals again"
        ) from error
    return PreparedFolder(folder, recipe, *parts)


def _typed(values: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401
    value = values[name]
    texts = value.values() if name in ("units", "versions") else ()
    if not isinstance(value, kind) or not all(isinstance(t, str) for t in texts):
        raise TypeError(f"`{name}` is of another form")
    return value


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(name).name).strip("-")[:40] or "crystals"
