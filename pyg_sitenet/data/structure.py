"""Structures from files and libraries, checked once at the border."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from pymatgen.core import Structure

if TYPE_CHECKING:
    from ase import Atoms

StructureLike: TypeAlias = Union[Structure, "Atoms", str, "os.PathLike[str]"]


def load_structure(source: StructureLike) -> Structure:
    """TODO."""
    if isinstance(source, Structure):
        return source
    if isinstance(source, str | os.PathLike):
        return Structure.from_file(source)
    from pymatgen.io.ase import AseAtomsAdaptor
    return AseAtomsAdaptor.get_structure(source)
