"""Names of space groups, in the spellings of a century, and the settings they mean."""

from __future__ import annotations

import re
from functools import lru_cache

import gemmi
import spglib

_EXTENSION = re.compile(r"^(.*?)\s*:\s*([12hrHR]|[-a-z0-9]+)\s*$")
_SUFFIX = re.compile(r"^(.*\S)\s+(HR|RH|H|R|S|Z|1|2)\s*$", re.IGNORECASE)
_GLUED = re.compile(r"^(.*[a-z0-9])(HR|RH|H|R|S|Z)$")
# What other programs call the choices of the origin: on the most symmetric site, or on
# a centre of inversion.
_ORIGINS = {"S": "1", "Z": "2"}
_OLD_CUBIC = re.compile(r"^([pfi])([mnad][ac]?)3([mncd]?)$")

_LONGEST = 100

Settings = tuple[gemmi.SpaceGroup, ...]


@lru_cache(maxsize=1024)
def settings_of_name(name: str) -> Settings:
    """Return the settings that a Hermann-Mauguin symbol may mean, the likeliest first.

    Origins and axes that the name leaves open give several.

    Example:
        >>> [setting.xhm() for setting in settings_of_name("F d 3 m")]
        ['F d -3 m:1', 'F d -3 m:2']
    """
    if len(name) > _LONGEST:  # the patterns below look back
        return ()
    plain = name.replace("_", "").replace("(", "").replace(")", "").strip()
    settings = _by_name(plain, "")
    for pattern in (_EXTENSION, _SUFFIX, _GLUED):
        match = pattern.match(plain)
        if match and not settings:
            settings = _by_name(match[1], match[2])
    return settings or (() if ":" in plain else _of_gemmi(plain))


@lru_cache(maxsize=256)
def settings_of_number(number: int) -> Settings:
    """Return the standard setting of a type of space group, with every origin."""
    settings = [s for s in gemmi.spacegroup_table() if s.number == number]
    return tuple(s for s in settings if s.hm == settings[0].hm)


def along_axis(settings: Settings, angles: tuple[float, float, float]) -> Settings:
    """Return the settings whose unique axis is that of a cell, if they have several.

    Args:
        settings: Of one type of space group.
        angles: Of the cell in degrees; if all are right ones, the usual axis is b.
    """
    tilts = [abs(angle - 90) for angle in angles]
    axis = "abc"[tilts.index(max(tilts))] if max(tilts) > 1e-3 else "b"
    matching = tuple(s for s in settings if s.monoclinic_unique_axis() == axis)
    axes = {s.monoclinic_unique_axis() for s in settings}
    if len(axes) == 1:
        return settings
    return matching or settings[:1]


def num_settings(number: int) -> int:
    """Return how many names the settings of a type of space group have."""
    return len({s.hm for s in gemmi.spacegroup_table() if s.number == number})


def is_standard_name(name: str, setting: gemmi.SpaceGroup) -> bool:
    """Tell whether a name without blanks is that of a type, as spglib gives it.

    In small letters as a whole, too.
    """
    compact = name.replace("_", "").lower()
    standard = settings_of_number(setting.number)[0]
    return " " not in name.strip() and compact in (
        _compact(standard.short_name()),
        _compact(standard.hm),
    )


def _by_name(name: str, extension: str) -> Settings:
    compact = "".join(name.split()).lower()
    match = _OLD_CUBIC.match(compact)
    if match:
        compact = f"{match[1]}{match[2]}-3{match[3]}"
    settings = _table().get(compact) or _full_table().get(compact, ())
    return tuple(s for s in settings if _fits(s, extension))


def _fits(setting: gemmi.SpaceGroup, extension: str) -> bool:
    extension = _ORIGINS.get(extension.upper(), extension).upper()
    if extension in ("", "HR", "RH"):
        return True
    own = setting.ext.strip("\0 ")
    return extension in (own, setting.qualifier.upper())


def _of_gemmi(name: str) -> Settings:
    """Return what gemmi itself makes of a name: the glide e, and so on."""
    setting = gemmi.find_spacegroup_by_name(name)
    return () if setting is None else _table()[_compact(setting.hm)]


def _compact(name: str) -> str:
    return name.replace(" ", "").lower()


@lru_cache(maxsize=1)
def _table() -> dict[str, Settings]:
    table: dict[str, Settings] = {}
    for setting in gemmi.spacegroup_table():
        names = {_compact(setting.hm), _compact(setting.short_name())}
        if 3 <= setting.number <= 15:  # the axes without symmetry are often left out
            names.add("".join(setting.hm.replace(" 1", "").lower().split()))
        for name in names:
            table[name] = (*table.get(name, ()), setting)
    return table


@lru_cache(maxsize=1)
def _full_table() -> dict[str, Settings]:
    """Return settings by their full names, such as F 4/m -3 2/m."""
    table: dict[str, Settings] = {}
    for hall_number in range(1, 531):
        kind = spglib.get_spacegroup_type(hall_number)
        if kind is None:
            continue
        operations = gemmi.symops_from_hall(kind.hall_symbol)
        setting = gemmi.find_spacegroup_by_ops(operations)
        if setting is None:
            continue
        full = _compact(kind.international_full.replace("_", ""))
        # Screw axes that follow from the others are often written as plain ones.
        for name in {full, re.sub(r"(\d)\d/", r"\1/", full)}:
            if setting not in table.get(name, ()):
                table[name] = (*table.get(name, ()), setting)
    return table
