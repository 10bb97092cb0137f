"""Several sources as one, in the order in which they are named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.readers.source import Source
from pyg_sitenet.data.readers.wanted import Wanted
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError

PathLike = str | Path


def open_together(
    sources: Sequence[PathLike],
    wanted: Wanted,
    open_source: Callable[[PathLike, Wanted], Source],
) -> Source:
    """Open several sources as one.

    Without targets, for prediction, a source that cannot be opened is a failure among
    the rest, and crystals of the same name are told apart by where they come from.
    """
    targets = wanted.targets
    opened: list[Source | Failure] = []
    for path in sources:
        try:
            source = open_source(path, wanted)
        except DataError as error:
            if targets:
                raise
            opened.append(_unopened(path, error))
        else:
            opened.append(source)
            # The others are converted to the unit of the first.
            units = {
                name: source.units[name] for name in targets if name in source.units
            }
            wanted = replace(wanted, units={**units, **wanted.units})
    usable = [source for source in opened if isinstance(source, Source)]
    return Source(
        name=f"{sources[0]} and {len(sources) - 1} more",
        make_entries=lambda: _join(opened, rename=not targets),
        make_digest=lambda: "\n".join(map(_digest, opened)),
        units={k: unit for s in reversed(usable) for k, unit in s.units.items()},
        available=_in_all([source.available for source in usable]),
        labels=_in_all([source.labels for source in usable]),
        make_column=lambda name: chain.from_iterable(
            source.column(name) for source in usable
        ),
        notes=[f"{s.name}: {note}" for s in usable for note in s.notes],
    )


def _longer_id(entry: Entry) -> str:
    """Return where an entry is from: of a frame ``XDATCAR@3`` ``r2/XDATCAR@3``."""
    frame = re.fullmatch(r".*(@\d+)", entry.id, re.DOTALL)
    place, _, _ = entry.origin.rpartition(", ")
    return f"{place}{frame[1]}" if frame and place else entry.origin


def _digest(source: Source | Failure) -> str:
    return source.digest() if isinstance(source, Source) else "not opened"


def _in_all(names: Sequence[Sequence[str]]) -> list[str]:
    first = names[0] if names else ()
    return [name for name in first if all(name in others for others in names)]


def _unopened(source: PathLike, error: DataError) -> Failure:
    return Failure(
        str(source),
        Path(source).stem,
        "read",
        str(error),
        "check the path and the file",
    )


def _join(
    sources: Sequence[Source | Failure], *, rename: bool
) -> Iterator[Entry | Failure]:
    ids: set[str] = set()
    for source in sources:
        if isinstance(source, Failure):
            yield source
            continue
        new: set[str] = set()
        try:
            for entry in source.entries():
                if not isinstance(entry, Entry):
                    yield entry
                    continue
                new.add(entry.id)
                same = rename and entry.id in ids
                yield replace(entry, id=_longer_id(entry)) if same else entry
        except DataError as error:
            if not rename:
                raise
            yield _unopened(source.name, error)
        ids |= new
