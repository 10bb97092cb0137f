"""One structure of a file, before it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pymatgen.core import Structure

if TYPE_CHECKING:
    from ase import Atoms


class Piece(NamedTuple):
    """One structure of a file: its name there, its origin, and how to read it."""

    name: str
    origin: str
    read: Callable[[], Structure | Atoms]
