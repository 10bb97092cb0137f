"""The codes by which International Tables tell the settings of a space group apart."""

from __future__ import annotations

import re
from functools import lru_cache

import gemmi

from pyg_sitenet.data.structure.cif.symmetry.group_names import Settings

# New coordinates where the other two axes change places, by the unique axis.
_SWAPPED = {"a": "-x,z,y", "b": "z,-y,x", "c": "y,x,-z"}
_ORDERED = {
    "abc": "x,y,z",
    "ba-c": "y,x,-z",
    "cab": "z,x,y",
    "-cba": "-z,y,x",
    "bca": "y,z,x",
    "a-cb": "x,-z,y",
}
# Unique axis and cell choice; origin and order of the axes; axes of a trigonal group.
_CODE = re.compile(rf"(-?)([abc])([123]?)|([12]?)({'|'.join(_ORDERED)})?|([hr])")
_ORTHORHOMBIC = range(16, 75)
_HEXAGONAL = range(143, 195)


@lru_cache(maxsize=256)
def settings_of_code(number: int, code: str) -> Settings:
    """Return the settings of a type of space group that a code allows, none if unknown.

    No code, or one that tells nothing apart (``1`` where there is one origin), allows
    every setting.

    Example:
        >>> [setting.xhm() for setting in settings_of_code(62, "cab")]
        ['P b n m']
    """
    match = _CODE.fullmatch("".join(code.lower().split()))
    if not match:
        return ()
    swap, axis, choice, origin, order, axes = match.groups()
    settings = tuple(s for s in gemmi.spacegroup_table() if s.number == number)
    if axis:
        return _monoclinic(settings, axis, choice, is_swapped=bool(swap))
    if axes:
        return tuple(s for s in settings if _has_axes(s, axes.upper()))
    placed = tuple(s for s in settings if _has_origin(s, origin))
    if number in _ORTHORHOMBIC and order:
        return _ordered(placed, order)
    return placed if order in (None, "abc") else ()


def is_among(setting: gemmi.SpaceGroup, settings: Settings) -> bool:
    """Tell whether a setting, by this name or another, is one of these."""
    operations = setting.operations()
    return any(operations == other.operations() for other in settings)


def _monoclinic(
    settings: Settings, axis: str, choice: str, *, is_swapped: bool
) -> Settings:
    """Return the settings of a unique axis, and of one choice of cell if it is told.

    Where the choice makes no difference, the table names the axis alone.
    """
    named = {s.qualifier: s for s in settings}
    names = [axis] if axis in named else [axis + n for n in choice or "123"]
    found = tuple(named[name] for name in names if name in named)
    if not is_swapped:
        return found
    return tuple(s for one in found for s in _changed(one, _SWAPPED[axis]))


def _ordered(placed: Settings, order: str) -> Settings:
    """Return what the standard setting becomes with its axes in another order."""
    named = tuple(s for s in placed if s.qualifier == order)
    standard = [s for s in placed if s.hm == placed[0].hm]
    return named or tuple(
        changed for s in standard for changed in _changed(s, _ORDERED[order])
    )


def _changed(setting: gemmi.SpaceGroup, coordinates: str) -> Settings:
    operations = setting.operations()
    operations.change_basis_forward(gemmi.Op(coordinates))
    changed = gemmi.find_spacegroup_by_ops(operations)
    return () if changed is None else (changed,)


def _has_axes(setting: gemmi.SpaceGroup, axes: str) -> bool:
    own = setting.ext.strip("\0 ")
    return own == axes or (not own and axes == "H" and setting.number in _HEXAGONAL)


def _has_origin(setting: gemmi.SpaceGroup, origin: str) -> bool:
    own = setting.ext.strip("\0 ")
    return not origin or own == origin or (not own.isdigit() and origin == "1")
