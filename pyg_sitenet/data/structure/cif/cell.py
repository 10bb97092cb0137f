"""The cell of a data block, completed by its crystal system and compared with it."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Lattice

from pyg_sitenet.data.geometry.lattice import MAX_LENGTH
from pyg_sitenet.data.structure.cif.symmetry.operations import METRIC_TOLERANCE
from pyg_sitenet.data.structure.cif.values import Values, number
from pyg_sitenet.errors import StructureError

_KEYS = (
    *(f"_cell_length_{axis}" for axis in "abc"),
    *(f"_cell_angle_{angle}" for angle in ("alpha", "beta", "gamma")),
)
_SYSTEMS = ("_space_group_crystal_system", "_symmetry_cell_setting")
# The number that stands for each of a, b, c, alpha, beta, gamma: an index among them,
# or an angle in degrees.
_EQUAL: dict[str, tuple[float, ...]] = {
    "cubic": (0, 0, 0, 90, 90, 90),
    "tetragonal": (0, 0, 2, 90, 90, 90),
    "orthorhombic": (0, 1, 2, 90, 90, 90),
    "hexagonal": (0, 0, 2, 90, 90, 120),
    "rhombohedral": (0, 0, 0, 3, 3, 3),
    "monoclinic": (0, 1, 2, 90, 4, 90),
}
# A volume is written with three digits or more.
_VOLUME_TOLERANCE = 0.02


def read_cell(values: Values) -> Lattice:
    """Return the lattice of a data block.

    Raises:
        StructureError: If a length or an angle is missing and does not follow from the
            crystal system, is no proper number, or if the cell has no volume or
            another one than the file says.
    """
    sizes = _sizes(values)
    x, y, z = np.cos(np.deg2rad(sizes[3:]))
    if not 1 + 2 * x * y * z - x * x - y * y - z * z > 1e-9:
        text = " ".join(values.text(key) or "90" for key in _KEYS[3:])
        raise StructureError(
            f"{values.origin}: the cell has no volume with the angles {text}; correct"
            " them"
        )
    lattice = Lattice.from_parameters(*sizes)
    _check_volume(lattice, values)
    _check_system(lattice, values)
    return lattice


def _sizes(values: Values) -> list[float]:
    is_complete = values.columns.keys() >= set(_KEYS)
    system = "" if is_complete else values.text(*reversed(_SYSTEMS)).lower()
    equal = _EQUAL.get(system, ())
    sizes: list[float] = []
    for position, key in enumerate(_KEYS):
        if key in values.columns or not equal:
            sizes.append(_size(key, values))
        elif equal[position] >= len(_KEYS):
            sizes.append(equal[position])
        else:
            sizes.append(_size(_KEYS[int(equal[position])], values))
    return sizes


def _size(key: str, values: Values) -> float:
    if key not in values.columns:
        raise StructureError(
            f"{values.origin}: no {key}; complete the cell of the crystal"
        )
    text = values.text(key) or values.columns[key][0]
    limit = 180 if "angle" in key else MAX_LENGTH
    if not 0 < number(text) < limit:
        raise StructureError(
            f"{values.origin}: {key} is {text!r}, not a number between 0 and {limit:g};"
            " correct the cell"
        )
    return number(text)


def _check_volume(lattice: Lattice, values: Values) -> None:
    for text in values.known("_cell_volume"):
        stated = number(text)
        if stated > 0 and abs(lattice.volume / stated - 1) > _VOLUME_TOLERANCE:
            raise StructureError(
                f"{values.origin}: _cell_volume is {text} but its lengths and angles"
                f" make {lattice.volume:.6g} A^3; correct one of them"
            )


def _check_system(lattice: Lattice, values: Values) -> None:
    stated = [(tag, text.lower()) for tag in _SYSTEMS for text in values.known(tag)]
    for tag, system in stated:
        equal = _EQUAL.get(system, ())
        if system == "monoclinic":
            fits = sum(abs(angle - 90) > 1 for angle in lattice.angles) <= 1
        else:
            fits = not equal or _has_sizes(lattice, equal)
        if system == "hexagonal" and not fits:  # rhombohedral axes of trigonal groups
            fits = _has_sizes(lattice, _EQUAL["rhombohedral"]) and not _has_sizes(
                lattice, _EQUAL["cubic"]
            )
        if not fits:
            sizes = " ".join(f"{size:.5g}" for size in lattice.parameters)
            raise StructureError(
                f"{values.origin}: {tag} is {system}, which does not fit its cell"
                f" ({sizes}); correct one of them"
            )


def _has_sizes(lattice: Lattice, equal: tuple[float, ...]) -> bool:
    sizes = lattice.parameters
    expected = [
        sizes[int(part)] if part < len(_KEYS) else float(part) for part in equal
    ]
    return bool(np.allclose(sizes, expected, rtol=METRIC_TOLERANCE / 2, atol=0))
