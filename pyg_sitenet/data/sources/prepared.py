"""A folder of crystals encoded beforehand, which is data in its own right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NoReturn

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.data.graph.encoder import Encoded, Encoder, Ordered
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.wanted import Wanted, check_targets
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.store.fingerprint import describe, fingerprint
from pyg_sitenet.data.store.reader import Store, read_index
from pyg_sitenet.data.store.recipe import Opener, Recipe, make_repair
from pyg_sitenet.errors import ConfigError, DataError
from pyg_sitenet.transforms import MergeEquivalent

MARKER = "prepared.json"


@dataclass(frozen=True)
class Prepared:
    """What is known of a folder of prepared crystals.

    Args:
        folder: The folder.
        opener: Opens that source again, to repair damage.
        source: What the crystals were read from.
        targets: Names of the targets, in the order of the columns of ``y``.
        units: Unit of each target that states one.
        settings: How they were encoded, by the names of settings.
        key: Hash of content, settings and code.
        code: Hash of the code that encoded them.
        complete: Whether all are there.
        counts: What became of the inputs.
        classes: Labels of the targets that are classes.
        group: Column whose labels the graphs carry, to split by; empty for none.
    """

    folder: Path
    opener: Opener
    source: str
    targets: tuple[str, ...]
    units: dict[str, str]
    settings: dict[str, Any]
    key: str
    code: str
    complete: bool = False
    counts: dict[str, Any] = field(default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    group: str = ""

    @property
    def graphs(self) -> Path:
        """Folder of the shards."""
        return self.folder / "graphs"

    @property
    def failures(self) -> Path:
        """Every input that could not be used, and why."""
        return self.folder / "failures.csv"

    def write(self) -> None:
        """Write the file by which the folder is recognised."""
        here = ("folder", "opener")
        values = {name: value for name, value in vars(self).items() if name not in here}
        write_text(self.folder / MARKER, json.dumps(values, indent=2) + "\n")

    def recipe(self) -> Recipe:
        """Return how the graphs were made."""
        settings = self.settings
        encoder = Encoder(
            settings["data.max_atoms"],
            settings["data.environment"],
            settings["data.primitive_tolerance"],
            pre_transform=MergeEquivalent() if settings["data.merge"] else None,
            disorder=settings["data.disorder"],
            orderings=settings["data.orderings"],
            disorder_seed=settings["data.disorder_seed"],
        )
        limit = settings["data.time_limit"]
        return Recipe(
            self.source,
            self.targets,
            encoder,
            limit,
            0,
            self.opener,
            self.classes,
            self.group,
        )

    def store(self, encoder: Encoder) -> Store:
        """Open the graphs for one who would encode them so.

        Raises:
            ConfigError: If they were encoded with other settings.
            DataError: If they are not all there, or made by another version.
        """
        self.check(encoder)
        index = read_index(self.graphs) if self.complete else None
        if index is None:
            raise DataError(
                f"{self.folder}: its crystals are not prepared completely; run "
                f"`sitenet prepare {self.source} --output {self.folder}` again"
            )
        repair = make_repair(self.recipe(), self.graphs, self.key)
        return Store(self.graphs, index, repair)

    def check(self, encoder: Encoder) -> None:
        """Check that the graphs are what an encoder would make.

        Raises:
            ConfigError: If a setting differs; names it and both values.
            DataError: If another version of the package made them.
        """
        if self.code != fingerprint({}):
            raise DataError(
                f"{self.folder}: was prepared by another version of pyg_sitenet; "
                "prepare it again in another folder"
            )
        wanted = settings_of(encoder)
        for name, value in wanted.items():
            if value != self.settings[name]:
                self._refuse(name, value)
        if encoder.pre_filter is not None:
            self._refuse("pre_filter", describe(encoder.pre_filter))

    def columns(self, targets: Sequence[str]) -> list[int]:
        """Return which columns of ``y`` hold these targets.

        Raises:
            DataError: If the folder has no such target.
        """
        check_targets(targets, self.targets, str(self.folder))
        return [self.targets.index(target) for target in targets]

    def check_labels(self, wanted: Wanted) -> None:
        """Check that the values of classes mean what is asked for, and the groups.

        Raises:
            ConfigError: If a target has other classes, or another column is to group.
        """
        for target in wanted.targets:
            found = self.classes.get(target, ())
            if tuple(wanted.classes.get(target, ())) != found:
                asked = {target: list(wanted.classes.get(target, ()))}
                known = f"the classes {list(found)}" if found else "numbers"
                raise ConfigError(
                    f"{self.folder}: {target!r} was prepared as {known}, asked for are"
                    f" {asked[target] or 'numbers'}; prepare the crystals again in"
                    " another folder with data.classes of that target"
                )
        if wanted.group and wanted.group != self.group:
            self._refuse("data.split", f"group:{wanted.group}")

    def _refuse(self, name: str, wanted: object) -> NoReturn:
        found = self.settings.get(name, f"group:{self.group}" if self.group else None)
        raise ConfigError(
            f"{self.folder}: was prepared with {name} = {found!r}, not {wanted!r}; "
            f"use that setting, or prepare the crystals again in another folder"
        )


@dataclass(frozen=True)
class PreparedEntry:
    """A crystal of a prepared folder, read where it is asked for.

    Args:
        prepared: The folder.
        position: Place of its first graph there.
        count: Its graphs: the orderings of a disordered crystal.
        id: Name of the crystal.
        origin: Where it came from.
        targets: Its known values.
    """

    prepared: Prepared
    position: int
    count: int
    id: str
    origin: str
    targets: dict[str, float]

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return the graph, if an encoder would make the same."""
        self.prepared.check(encoder)
        store = _open(self.prepared.folder, self.prepared.opener)
        number, _ = store.locate(self.position)
        notes = store.shard(number).notes
        texts = tuple(notes["warnings"].get(self.id, ()))
        data, *others = (store.graph(self.position + k) for k in range(self.count))
        ordered = None
        if self.id in notes["ordered"]:
            weights, misfit = notes["ordered"][self.id]
            ordered = Ordered(tuple(weights), misfit)
        return Encoded(
            data, self.id, texts, self.origin, self.targets, tuple(others), ordered
        )


def settings_of(encoder: Encoder) -> dict[str, Any]:
    """Return what decides about the graphs, by the names of settings."""
    merging = describe(encoder.pre_transform) == describe(MergeEquivalent())
    other = None if merging else encoder.pre_transform
    return {
        "data.max_atoms": encoder.max_atoms,
        "data.environment": encoder.environment,
        "data.primitive_tolerance": encoder.primitive_tolerance,
        "data.merge": merging if other is None else describe(other),
        **{f"data.{name}": value for name, value in encoder.disorder_settings.items()},
    }


def is_prepared(source: str | Path) -> bool:
    """Tell whether a path is that of a folder of prepared crystals."""
    return (Path(source).expanduser() / MARKER).is_file()


def read_prepared(folder: Path, opener: Opener) -> Prepared:
    """Read what is known of a folder of prepared crystals.

    Raises:
        DataError: If its file is damaged.
    """
    path = folder / MARKER
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["targets"] = tuple(values["targets"])
        classes = values.get("classes", {})
        values["classes"] = {name: tuple(of) for name, of in classes.items()}
        return Prepared(folder=folder, opener=opener, **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path}: damaged, or of another version ({' '.join(str(error).split())}); "
            "delete it and prepare the crystals again: what is whole is kept"
        ) from error


def open_prepared(folder: Path, wanted: Wanted, opener: Opener) -> Source:
    """Open prepared crystals as a source.

    Raises:
        DataError: If the folder is damaged or incomplete, or has no such target.
        ConfigError: If a target was prepared as something else.
    """
    prepared, targets = read_prepared(folder, opener), wanted.targets
    columns = prepared.columns(targets)
    prepared.check_labels(wanted)
    numbers = [name for name in prepared.targets if name not in prepared.classes]
    return Source(
        name=str(folder),
        make_entries=lambda: _entries(prepared, targets, columns),
        make_digest=lambda: prepared.key,
        units=prepared.units,
        available=numbers,
        labels=tuple(prepared.classes),
        count=prepared.counts.get("read"),
    )


def _entries(
    prepared: Prepared, targets: Sequence[str], columns: Sequence[int]
) -> Iterator[Any]:
    store = prepared.store(prepared.recipe().encoder)
    position = 0
    for shard in store.shards():
        notes: Mapping[str, Any] = shard.notes
        told = zip(*(notes[key] for key in ("ids", "origins", "targets")), strict=True)
        for (id_, origin), graphs in groupby(told, key=itemgetter(0, 1)):
            rows = [row for _, _, row in graphs]
            values = [rows[0][column] for column in columns]
            known = dict(zip(targets, values, strict=True))
            yield PreparedEntry(prepared, position, len(rows), id_, origin, known)
            position += len(rows)
        for failure in notes["failures"]:
            yield Failure(**failure)


@lru_cache(maxsize=4)
def _open(folder: Path, opener: Opener) -> Store:
    prepared = read_prepared(folder, opener)
    return prepared.store(prepared.recipe().encoder)
