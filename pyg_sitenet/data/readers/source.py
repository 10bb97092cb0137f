"""A place that crystals come from, opened for certain targets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.structure.border import enough_memory
from pyg_sitenet.errors import DataError


@dataclass(frozen=True)
class Source:
    """Crystals with their targets, read one by one when iterated.

    A crystal that cannot be used becomes a :class:`~pyg_sitenet.data.records.Failure`
    in its place; the others are not affected. Of several crystals with the same id the
    first is kept.

    Args:
        name: What was opened, as the user wrote it.
        make_entries: Starts a new pass over what is to be read.
        make_digest: Returns a hash of the content of all files.
        units: Unit of each target that states one.
        available: Names of the targets that the source holds.
        count: Number of entries, if known without reading.
        labels: Names of what it holds that is text or boolean, and may be classes.
        make_column: Starts a pass over the cells of a column, as they stand there.
        notes: How its targets were understood, where that could be otherwise, and
            which files that may hold crystals are not read.
    """

    name: str
    make_entries: Callable[[], Iterator[Entry | Failure]]
    make_digest: Callable[[], str]
    units: Mapping[str, str] = field(default_factory=dict)
    available: Sequence[str] = ()
    count: int | None = None
    labels: Sequence[str] = ()
    make_column: Callable[[str], Iterator[Any]] | None = None
    notes: Sequence[str] = ()

    def __iter__(self) -> Iterator[Record | Failure]:
        for entry in self.entries():
            yield entry.read() if isinstance(entry, Entry) else entry

    def entries(self) -> Iterator[Entry | Failure]:
        """Yield what is to be read, so that the reading can be done elsewhere.

        Raises:
            DataError: If a row takes more memory than there is.
        """
        origins: dict[str, str] = {}
        with enough_memory(self.name, DataError):
            for entry in self.make_entries():
                if isinstance(entry, Entry) and entry.id in origins:
                    yield entry.fail(
                        f"the id {entry.id!r} is already used by {origins[entry.id]}",
                        "give each crystal its own id (the first one is kept)",
                    )
                    continue
                if isinstance(entry, Entry):
                    origins[entry.id] = entry.origin
                yield entry

    def has(self, targets: Sequence[str], classes: Collection[str]) -> list[str]:
        """Return which of the targets it has values of: numbers, or labels of classes.

        Args:
            targets: Names.
            classes: Those that are classes.
        """
        return [
            name
            for name in targets
            if name in self.available or (name in classes and name in self.labels)
        ]

    def column(self, name: str) -> Iterator[Any]:
        """Yield the cells of a column, as they stand there.

        Raises:
            DataError: If the source keeps numbers alone.
        """
        if self.make_column is None:
            raise DataError(
                f"{self.name}: its labels cannot be read from it; name them with "
                f"data.classes={{{name}: [LABEL, LABEL]}}"
            )
        return self.make_column(name)

    def digest(self) -> str:
        """Return a hash that changes whenever the content does."""
        return self.make_digest()
