"""One crystal of a source before it is read: what to read and its targets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

from pyg_sitenet.data.readers.content import Content, read_content
from pyg_sitenet.data.records import Failure, Record, remedy_of
from pyg_sitenet.errors import SiteNetWarning, StructureError


@dataclass(frozen=True, slots=True)
class Entry:
    """A crystal that can be read here or, being picklable, in another process.

    Args:
        id: Name of the crystal.
        origin: Where it comes from, for messages.
        content: What to read it from.
        targets: Value of each target that was asked for.
        group: What it must not be parted from others of, if that was asked for.
    """

    id: str
    origin: str
    content: Content
    targets: dict[str, float] = field(default_factory=dict)
    group: str = ""

    def read(self) -> Record | Failure:
        """Read and check the structure; warnings go into the record."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", SiteNetWarning)
                structure = read_content(self.content, self.origin)
        except StructureError as error:
            remedy = remedy_of(str(error), "repair or remove this structure")
            return self.fail(str(error), remedy, "read")
        # Whoever shows them says of which crystal they are.
        messages = (str(warning.message) for warning in caught)
        texts = tuple(text.removeprefix(f"{self.origin}: ") for text in messages)
        return Record(self.id, structure, self.targets, self.origin, texts, self.group)

    def fail(self, reason: str, remedy: str, stage: str = "table") -> Failure:
        """Turn this entry into a failure."""
        return Failure(self.origin, self.id, stage, " ".join(reason.split()), remedy)
