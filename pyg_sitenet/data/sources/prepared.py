"""A folder of encoded crystals as a source: its graphs are read, not made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pyg_sitenet.data.graph.encoded import Encoded, Ordered
from pyg_sitenet.data.graph.encoder import Encoder
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.wanted import Wanted, check_targets
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.store.folder import PreparedFolder, read_prepared
from pyg_sitenet.data.store.prepared_targets import PreparedTargets
from pyg_sitenet.data.store.reader import Store, read_index
from pyg_sitenet.data.store.recipe import Opener
from pyg_sitenet.errors import ConfigError


@dataclass(frozen=True)
class PreparedEntry:
    """A crystal of a prepared folder, whose graphs are read when they are needed.

    Args:
        folder: The folder.
        position: Place of its first graph there.
        count: Its graphs: the orderings of a disordered crystal.
        id: Name of the crystal.
        origin: Where it came from.
        targets: Its known values.
    """

    folder: PreparedFolder
    position: int
    count: int
    id: str
    origin: str
    targets: dict[str, float]

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return the graphs, if an encoder would make the same."""
        self.folder.check(encoder)
        store = _open_store(self.folder.path, self.folder.recipe.opener)
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


def open_prepared(path: Path, wanted: Wanted, opener: Opener) -> Source:
    """Open prepared crystals as a source.

    Raises:
        DataError: If the folder is damaged or has no such target.
        ConfigError: If a target was prepared as something else.
    """
    folder = read_prepared(path, opener)
    targets, classes = wanted.targets, folder.recipe.classes
    check_targets(targets, folder.recipe.targets, str(path))
    _check_labels(folder, wanted)
    wanted = wanted.in_units(str(path), folder.units)
    places = PreparedTargets.find(folder, targets, wanted.units)
    index = read_index(folder.graphs)
    return Source(
        name=str(path),
        make_entries=lambda: _entries(folder, targets, places),
        make_digest=lambda: folder.key,
        units={**folder.units, **wanted.units},
        available=[name for name in folder.recipe.targets if name not in classes],
        labels=tuple(classes),
        count=None if index is None else index.ledger.read,
    )


def _check_labels(folder: PreparedFolder, wanted: Wanted) -> None:
    """Check that classes and groups were prepared as they are asked for."""
    recipe = folder.recipe
    for target in wanted.targets:
        before = list(recipe.classes.get(target, ()))
        labels = list(wanted.classes.get(target, ()))
        if labels != before:
            shown = f"the classes {before}" if before else "numbers"
            raise ConfigError(
                f"{folder.path}: {target!r} was prepared as {shown}, asked for are"
                f" {labels or 'numbers'}; prepare the crystals again in"
                " another folder with data.classes of that target"
            )
    if wanted.group and wanted.group != recipe.group:
        before_group = f"group:{recipe.group}" if recipe.group else None
        folder.refuse("data.split", before_group, f"group:{wanted.group}")


def _entries(
    folder: PreparedFolder, targets: Sequence[str], places: PreparedTargets
) -> Iterator[Any]:
    position = 0
    for shard in folder.store(folder.recipe.encoder).shards():
        notes = shard.notes
        rows = zip(*(notes[key] for key in ("ids", "origins", "targets")), strict=True)
        for (id_, origin), graphs in groupby(rows, key=itemgetter(0, 1)):
            values = [row for _, _, row in graphs]  # the same for each ordering
            chosen = [
                change(values[0][column])
                for column, change in zip(*places, strict=True)
            ]
            by_target = dict(zip(targets, chosen, strict=True))
            yield PreparedEntry(folder, position, len(values), id_, origin, by_target)
            position += len(values)
        for failure in notes["failures"]:
            yield Failure(**failure)


@lru_cache(maxsize=4)
def _open_store(path: Path, opener: Opener) -> Store:
    # Once in each process: entries travel to others, mapped files do not.
    folder = read_prepared(path, opener)
    return folder.store(folder.recipe.encoder)
