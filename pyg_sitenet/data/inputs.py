"""Structures that a script holds, as records: the counterpart of the sources."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ase import Atoms
from pymatgen.core.structure import Structure

from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.structure import StructureLike, load_structure
from pyg_sitenet.errors import StructureError


def read_inputs(
    structures: StructureLike | Iterable[StructureLike], *, stop: bool
) -> Iterator[Record | Failure]:
    """Read one structure or many, one at a time.

    Args:
        structures: Paths, pymatgen structures or ASE atoms, one or many.
        stop: Raise at the first unusable one rather than yield a failure.

    Returns:
        Records whose id is the path, or the position in the input.

    Raises:
        TypeError: If ``structures`` is nothing of the kind.
        StructureError: If a structure cannot be used and ``stop`` is set.
    """
    return _read(_as_many(structures), stop=stop)


def _as_many(
    structures: StructureLike | Iterable[StructureLike],
) -> Iterable[StructureLike]:
    # Structure and Atoms are iterable too: over their sites.
    if isinstance(structures, (str, os.PathLike, Structure, Atoms)):
        return [structures]
    if not isinstance(structures, Iterable):
        raise TypeError(
            "`structures` must be a path, a pymatgen Structure, ASE Atoms or several "
            f"of them, got {type(structures).__name__}"
        )
    return structures


def _read(
    structures: Iterable[StructureLike], *, stop: bool
) -> Iterator[Record | Failure]:
    for position, source in enumerate(structures):
        is_file = isinstance(source, (str, os.PathLike))
        name = str(source) if is_file else str(position)
        origin = name if is_file else f"structure {position}"
        try:
            structure = load_structure(source)
        except StructureError as error:
            if stop:
                raise
            remedy = "repair or remove this structure"
            yield Failure(origin, name, "read", str(error), remedy)
            continue
        yield Record(id=name, structure=structure, origin=origin)
