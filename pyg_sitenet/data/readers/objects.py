"""Structures that a script holds, as entries: the counterpart of the sources."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from ase import Atoms
from pymatgen.core.structure import IMolecule, IStructure

from pyg_sitenet.data.readers.content import Content
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.structure.load import StructureLike, mutable_copy


def read_inputs(structures: StructureLike | Iterable[StructureLike]) -> Iterator[Entry]:
    """Turn one structure or many into entries, one at a time.

    Objects are copied: a simulation may go on with the atoms that it gave.

    Args:
        structures: Paths, pymatgen structures or ASE atoms, one or many.

    Returns:
        Entries whose id is the path, or the position in the input.

    Raises:
        TypeError: If ``structures`` is nothing of the kind.
    """
    entries = enumerate(_as_many(structures))
    return (_entry(position, structure) for position, structure in entries)


def _as_many(
    structures: StructureLike | Iterable[StructureLike],
) -> Iterable[StructureLike]:
    # Structure, Molecule and Atoms are iterable too: over their sites.
    if isinstance(structures, (str, os.PathLike, IStructure, Atoms)):
        return [structures]
    if isinstance(structures, Mapping | IMolecule):
        single: Any = structures
        return [single]
    if isinstance(structures, pd.DataFrame):
        raise TypeError(
            "`structures` is a table; give one column of it, as table['structure']"
        )
    if not isinstance(structures, Iterable) or isinstance(structures, bytes):
        raise TypeError(
            "`structures` must be a path, a pymatgen Structure, ASE Atoms or several "
            f"of them, got {type(structures).__name__}"
        )
    return structures


def _entry(position: int, structure: StructureLike) -> Entry:
    if isinstance(structure, str | os.PathLike):
        return Entry(str(structure), str(structure), Path(structure))
    content: Content
    if isinstance(structure, IStructure):
        content = mutable_copy(structure)
    else:
        content = structure.copy() if isinstance(structure, Atoms) else structure
    return Entry(str(position), f"structure {position}", content)
