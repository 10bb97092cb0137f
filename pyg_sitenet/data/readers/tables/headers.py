"""Headings of columns: a name, and a unit in brackets if it is one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from pyg_sitenet.data.readers.units import is_unit

_BRACKETS = re.compile(
    r"(?P<name>.*\S)\s*(?:\[(?P<square>[^\[\]]*)\]|\((?P<round>[^()]*|\w+\([^()]*\))\))"
)
# In round brackets rather elements than the henry, coulomb, newton, farad and siemens.
_ELEMENTS = ("H", "C", "N", "F", "S")


def split_unit(header: str) -> tuple[str, str | None]:
    """Split ``gap [eV]`` or ``gap (eV)`` into name and unit.

    What stands in brackets and is no unit belongs to the name, before a unit or after.

    Example:
        >>> split_unit("gap [eV]"), split_unit("gap (PBE)"), split_unit("log10(K_VRH)")
        (('gap', 'eV'), ('gap (PBE)', None), ('log10(K_VRH)', None))
        >>> split_unit("gap [eV] (PBE)")
        ('gap (PBE)', 'eV')
    """
    header = header.strip()
    name, text = _parts(header)
    if text is None:
        return header, None
    if is_unit(text) and not (text in _ELEMENTS and header.endswith(")")):
        return name, text
    name_before, unit = split_unit(name)
    if unit is None:
        return header, None
    return f"{name_before} {header[len(name) :].strip()}", unit


def split_headers(
    headers: Sequence[str], wanted: Collection[str] = ()
) -> list[tuple[str, str | None]]:
    """Split all headings of a table into names and units.

    Headings that would get one name, such as ``E [eV]`` and ``E [meV]``, keep what
    makes them differ. One with a remark that is no unit goes by its bare name if that
    is asked for and nothing else has it.

    Args:
        headers: As they stand in the table.
        wanted: Names that are asked for.
    """
    pairs = [split_unit(header) for header in headers]
    counts = Counter(name for name, _ in pairs)
    bare = Counter(_parts(name)[0] for name, _ in pairs)
    stated = [header.strip() for header in headers]
    for k, (full, (own, unit)) in enumerate(zip(stated, pairs, strict=True)):
        name, remark = _parts(own)
        if counts[own] > 1 and own not in stated:
            pairs[k] = (full, unit)
        elif remark is None or {own, full} & set(wanted):
            continue
        elif name in wanted and bare[name] == 1:
            pairs[k] = (name, unit)
    return pairs


def no_units(
    headers: Sequence[str], pairs: Sequence[tuple[str, str | None]]
) -> dict[str, str]:
    """Return what stands in square brackets, as units do, and is none that is known.

    Args:
        headers: As they stand in the table.
        pairs: What :func:`split_headers` made of them.

    Example:
        >>> no_units(["gap [foo]"], [("gap", None)])
        {'gap': 'foo'}
    """
    return {
        name: text
        for header, (name, _) in zip(headers, pairs, strict=True)
        if header.rstrip().endswith("]") and (text := _parts(header)[1])
        if not is_unit(text)
    }


def _parts(header: str) -> tuple[str, str | None]:
    match = _BRACKETS.fullmatch(header.strip())
    if match is None:
        return header.strip(), None
    inside = match["square"] if match["square"] is not None else match["round"]
    return match["name"], inside.strip()
