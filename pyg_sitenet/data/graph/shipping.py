"""Making entries self-contained, so that a machine without their files can encode them.

A file is replaced by its content, a graph on disk by its arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder, Item, Preencoded
from pyg_sitenet.data.graph.stream import Message, pack, unpack
from pyg_sitenet.data.readers.content import Content, Member, Text
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import TextFile, check_file
from pyg_sitenet.errors import StructureError


@dataclass
class ShippedGraph:
    """A graph that was made before, and read where its folder is.

    Args:
        message: What :func:`~pyg_sitenet.data.graph.stream.pack` made of it.
        id: Name of the crystal.
        origin: Where it came from.
        targets: Its known values.
    """

    message: Message
    id: str
    origin: str
    targets: dict[str, float]

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return the graph; that the encoder would make the same was checked."""
        del encoder
        crystal = unpack(self.message, self)
        if not isinstance(crystal, Encoded):
            raise TypeError(f"expected a graph, got {type(crystal).__name__}")
        return crystal


def inline_files(item: Item, encoder: Encoder) -> Item:
    """Return an item that can be encoded without any file of this machine.

    Args:
        item: What a source yields. Files are not read but copied: reading one may take
            long, or end the process.
        encoder: What would encode it here.

    Raises:
        ConfigError: If a graph was made with other settings than the encoder's.
    """
    if isinstance(item, Preencoded):
        message = pack(item.encoded(encoder))
        return ShippedGraph(message, item.id, item.origin, item.targets)
    if not isinstance(item, Entry):
        return item
    path = _path_of(item.content)
    try:
        if isinstance(item.content, Member):
            return replace(item, content=item.content.text())
        if path is None:
            return item
        check_file(path)
        content = Text(path.read_bytes(), path.name, str(path))
    except (StructureError, OSError):
        return item.read()  # says why
    return replace(item, content=content)


def _path_of(content: Content) -> Path | None:
    """Return the file that is still to be read, if there is one."""
    if isinstance(content, Piece):
        first = content.read.args[:1] if isinstance(content.read, partial) else ()
        return first[0].path if first and isinstance(first[0], TextFile) else None
    return content if isinstance(content, Path) else None
