"""CIF: its data blocks, read by pymatgen and checked for what it passes over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pymatgen.core import Structure
from pymatgen.io.cif import CifParser

from pyg_sitenet.data.structure.cif_check import (
    check_formula,
    check_symmetry,
    check_values,
)
from pyg_sitenet.data.structure.cif_text import normalize_block
from pyg_sitenet.data.structure.occupancy import MAX_OCCUPANCY
from pyg_sitenet.errors import StructureError

_BLOCK = re.compile(r"data_(\S*)", re.IGNORECASE)


def split_cif(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each data block that lists atoms with coordinates."""
    for name, block in _blocks(lines):
        if "_atom_site_fract_x" in block.lower():
            yield name, block


def _blocks(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    name, in_text = "", False
    block: list[str] = []
    for line in lines:
        if line.startswith(";"):
            in_text = not in_text  # multi-line values may hold anything
        header = None if in_text else _BLOCK.match(line)
        if header:
            yield name, "".join(block)
            name, block = header[1], []
        block.append(line)
    yield name, "".join(block)


def read_cif_block(text: str, origin: str) -> Structure:
    """Read the structure of one data block.

    Raises:
        StructureError: If values of it are none, if two atoms are in one place or
            more than are there, or if its atoms contradict its symmetry or formula.
    """
    text = normalize_block(text, origin)
    parser = CifParser.from_str(text, occupancy_tolerance=MAX_OCCUPANCY)
    values = next(iter(parser.as_dict().values()))
    check_values(values, origin)
    try:
        structure = parser.parse_structures(primitive=False, on_error="raise")[0]
    except ValueError as error:
        if "exceeded tolerance" not in str(error):
            raise
        raise StructureError(
            f"{origin}: occupancies of one place add up to more than 1: two atoms on"
            " top of each other, or disorder; remove one or give an ordered approximant"
        ) from error
    check_symmetry(structure, parser.symmetry_operations, values, origin)
    if structure.is_ordered:
        check_formula(structure, values, origin)
    return structure
