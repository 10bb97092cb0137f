"""Text dumps of LAMMPS that name the elements of their atoms."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
from pymatgen.core import Structure

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.programs.sites import as_numbers, make_structure
from pyg_sitenet.errors import SiteNetWarning, StructureError

_FIRST_ITEMS = ("UNITS", "TIME", "TIMESTEP")
_ANGSTROM_UNITS = ("metal", "real")
# Names of the columns of positions, and whether they are fractional.
_PLACES = (
    (("x", "y", "z"), False),
    (("xu", "yu", "zu"), False),
    (("xs", "ys", "zs"), True),
    (("xsu", "ysu", "zsu"), True),
)


def read_dump(lines: Iterable[str], origin: str) -> Iterator[Piece]:
    """Yield the snapshots of a dump; one that is cut off says so when it is read."""
    frame: list[str] = []
    number = 0
    for line in lines:
        if frame and _begins(line) and any(_item(row) == "TIMESTEP" for row in frame):
            yield _piece(frame, origin, number)
            frame, number = [], number + 1
        frame.append(line)
    if any(line.strip() for line in frame):
        yield _piece(frame, origin, number)


def _piece(frame: list[str], origin: str, number: int) -> Piece:
    where = f"{origin}, frame {number}"
    return Piece(str(number), where, partial(_snapshot, frame, where))


def _item(line: str) -> str:
    """Return the name of the item that a line begins, or nothing."""
    name, separator, rest = line.partition(":")
    words = rest.split()
    return words[0] if separator and name == "ITEM" and words else ""


def _begins(line: str) -> bool:
    return line.startswith("ITEM") and _item(line) in _FIRST_ITEMS


def _snapshot(lines: list[str], origin: str) -> Structure:
    items = _items(lines)
    names = ("TIMESTEP", "NUMBER OF ATOMS", "BOX BOUNDS", "ATOMS")
    missing = [name for name in names if not any(k.startswith(name) for k in items)]
    if missing:
        raise StructureError(
            f"{origin}: damaged or truncated: no ITEM: {missing[0]}; export it again"
        )
    _check_units(items, origin)
    box = next(key for key in items if key.startswith("BOX BOUNDS"))
    header = next(key for key in items if key.startswith("ATOMS"))
    start, cell = _box(box.split()[2:], items[box], origin)
    columns, atoms = header.split()[1:], items[header]
    count = items["NUMBER OF ATOMS"]
    if [str(len(atoms))] != [line.strip() for line in count]:
        raise StructureError(
            f"{origin}: damaged or truncated: {len(atoms)} atoms but says"
            f" {' '.join(count)[:20]!r}; export it again"
        )
    if "element" not in columns:
        raise StructureError(
            f"{origin}: its types name no elements; dump the column element"
            " (dump_modify element), or convert it to CIF"
        )
    rows = _rows(columns, atoms, origin)
    symbols = [row["element"] for row in rows]
    places, is_scaled = _places(columns, rows, origin)
    if is_scaled:
        return make_structure(cell, symbols, places, origin, cartesian=False)
    return make_structure(cell, symbols, places - start, origin, cartesian=True)


def _items(lines: list[str]) -> dict[str, list[str]]:
    """Return the lines below each ``ITEM:``, by what stands behind it."""
    items: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if line.startswith("ITEM:"):
            name = " ".join(line[5:].split())
            items[name] = []
        elif name and line.strip():
            items[name].append(line)
    return items


def _check_units(items: dict[str, list[str]], origin: str) -> None:
    units = [line.strip() for line in items.get("UNITS", [])]
    if not units:
        message = f"{origin}: states no units (dump_modify units yes): angstrom taken"
        warnings.warn(message, SiteNetWarning, stacklevel=4)
    elif units[0] not in _ANGSTROM_UNITS:
        raise StructureError(
            f"{origin}: is in units {units[0][:20]!r}, expected"
            f" {' or '.join(_ANGSTROM_UNITS)} (angstrom); convert it to CIF"
        )


def _box(words: list[str], lines: list[str], origin: str) -> tuple[Floats, Floats]:
    """Return the corner and the lattice vectors of a box."""
    is_tilted = words[:3] == ["xy", "xz", "yz"]
    is_general = words[:2] == ["abc", "origin"]
    periodic = words[3:] if is_tilted else words[2:] if is_general else words
    if periodic != ["pp", "pp", "pp"]:
        raise StructureError(
            f"{origin}: the box is {' '.join(words)[:40]!r}, expected one that is"
            " periodic in three directions (pp pp pp); give a crystal"
        )
    size = 4 if is_general else 3 if is_tilted else 2
    rows = [as_numbers(line.split(), origin) for line in lines]
    if len(rows) != 3 or any(len(row) != size for row in rows):
        raise StructureError(
            f"{origin}: damaged or truncated: BOX BOUNDS are no 3 rows of {size}"
            " numbers; export it again"
        )
    bounds = np.array(rows)
    if is_general:
        return bounds[:, 3], bounds[:, :3]
    low, high = bounds[:, 0].copy(), bounds[:, 1].copy()
    xy, xz, yz = bounds[:, 2] if is_tilted else np.zeros(3)
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    x, y, z = high - low
    return low, np.array([[x, 0, 0], [xy, y, 0], [xz, yz, z]])


def _rows(columns: list[str], atoms: list[str], origin: str) -> list[dict[str, str]]:
    rows = [line.split() for line in atoms]
    if any(len(row) != len(columns) for row in rows):
        raise StructureError(
            f"{origin}: damaged or truncated: an atom has not {len(columns)} values;"
            " export it again"
        )
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    if "id" in columns and all(row["id"].isdecimal() for row in named):
        named.sort(key=lambda row: int(row["id"]))
    return named


def _places(
    columns: list[str], rows: list[dict[str, str]], origin: str
) -> tuple[Floats, bool]:
    for names, is_scaled in _PLACES:
        if set(names) <= set(columns):
            values = [as_numbers([row[name] for name in names], origin) for row in rows]
            return np.array(values), is_scaled
    raise StructureError(
        f"{origin}: has no positions among its columns ({' '.join(columns)[:80]});"
        " dump x y z"
    )
