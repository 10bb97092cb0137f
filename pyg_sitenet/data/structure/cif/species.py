"""What the symbol or the label of an atom stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pyg_sitenet.data.structure.cif.mixture import element, mixture, names_several
from pyg_sitenet.data.structure.cif.values import is_null

_CHARGE = re.compile(r"^([A-Za-z]{1,2})(?:\d*\.?\d*[+-]?\d*\.?\d*)$")
_LETTERS = re.compile(r"^[A-Za-z]*")
# Water, hydroxyl and oxonium of which only the oxygen has a position.
_HYDROGENATED = re.compile(
    r"^(?:(O)-?[HD](\d?)|[HD](\d)(O)|(N)H(\d)|(?:(W)at(?:er)?|(O)[wW]))"
    r"(?![a-z])[^a-z]*$"
)
_WATER = re.compile(r"^(?:WAT(?:ER)?|Hoh)[^a-zA-Z]*$")
_DUMMY = re.compile(
    r"^(?:va|vac\w*|vc|void|xx?|du|dum\w*|bq|gh|lp|cg|cnt|cen\w*|q|t|ghost|wat\w+)$",
    re.IGNORECASE,
)
# Names of places that begin like a symbol: tetrahedral, octahedral, cation, ...
_PLACE = re.compile(
    r"^(?:(?:[Tt]et|[Oo]ct|[Cc]at|[Aa]ni|[Hh]al|[Ss]ite|[Cc]ap|[Ss]ol|[Mm]et)[a-z]*"
    r"|TET|OCT|CAT|ANI|HAL|SITE|CAP|SOL|MET|REE)$"
)
# Letters of a symbol or label: the patterns above look back.
_LONGEST = 200
# One element or two, where the case of letters does not tell.
_AMBIGUOUS = frozenset({"HO", "CO", "NO", "PO", "HF", "CN", "HG", "OS"})
# First letters that labels put their own second letter behind, such as Oa or Hb.
_PLAIN = frozenset("HCNOFSPKBI")


@dataclass(frozen=True)
class Content:
    """The elements at a position and the hydrogen around it that has none.

    Args:
        shares: Symbols of elements and the part of the position each has.
        hydrogens: Number of hydrogen atoms that belong to it.
    """

    shares: Mapping[str, float]
    hydrogens: int = 0


def content_of_symbol(symbol: str) -> Content | None:
    """Return what a type symbol such as ``Na1+`` stands for; nothing if no element."""
    text = symbol.strip()
    if len(text) > _LONGEST or _DUMMY.match(_LETTERS.findall(text)[0]):
        return None
    mixed = mixture(text)
    if mixed:
        return Content(mixed)
    group = _hydrogenated(text)
    match = _CHARGE.match(text)
    name = element(match[1]) if match and not group else ""
    return Content({name: 1.0}) if name else group


def content_of_label(label: str, formula: frozenset[str]) -> Content | None:
    """Return what a label such as ``Na1`` or ``OH2`` stands for.

    Args:
        label: Of an atom that has no type symbol.
        formula: Elements of the file's formula, which tell CO from Co; may be empty.
    """
    text = label.strip()
    if len(text) > _LONGEST:
        return None
    letters = _LETTERS.findall(text)[0]
    mixed = mixture(text)
    if mixed:
        return Content(mixed)
    if not letters or _DUMMY.match(letters) or _PLACE.match(letters):
        return None
    water = _hydrogenated(text)
    double = element(letters[:2]) if len(letters) > 1 else ""
    if water and double not in formula:
        return water
    if names_several(text, letters, formula):
        return None
    return _choose(letters, double, element(letters[:1]), formula)


def _choose(
    letters: str, double: str, single: str, formula: frozenset[str]
) -> Content | None:
    """Choose between the elements of two letters and of one, such as Co and C."""
    is_proper = letters[1:2].islower() or len(letters) == 1
    if letters[1:2].isupper() and letters[2:3].islower() and single:
        double = ""  # the name of a neighbour follows, as in OSi
    if double and (is_proper or not single or not formula):
        chosen = double
        if double not in formula and formula and single in formula and not is_proper:
            chosen = single
    elif double in formula or single not in formula:
        chosen = double or single
    else:
        chosen = single
    if chosen == single and not double and len(letters) > 1 and is_proper:
        chosen = single if single in _PLAIN else ""
    return Content({chosen: 1.0}) if chosen else None


def reason_of(symbol: str, label: str, formula: frozenset[str]) -> str:
    """Return why an atom that is given so stands for no element, and what to do."""
    text = (label if is_null(symbol) else symbol).strip()
    letters = _LETTERS.findall(text)[0]
    if len(text) <= _LONGEST and names_several(text, letters, formula):
        return (
            f"{text!r} is not a chemical element but names several; list each in a row"
            " of its own with its occupancy"
        )
    return (
        f"{text!r} is not a chemical element; replace dummy and unknown atoms by real"
        " ones"
    )


def is_ambiguous(label: str, formula: frozenset[str]) -> bool:
    """Tell whether a label in capitals may be one element or two: HO, CO, NO, PO."""
    letters = _LETTERS.findall(label.strip())[0]
    is_open = letters[:2] in _AMBIGUOUS and not letters[2:3].islower()
    return not formula and is_open


def _hydrogenated(text: str) -> Content | None:
    if _WATER.match(text):
        return Content({"O": 1.0}, 2)
    match = _HYDROGENATED.match(text)
    if not match:
        return None
    hydroxyl, count, leading, oxygen, nitrogen, ammonium, water, ow = match.groups()
    if water or ow:
        return Content({"O": 1.0}, 2)
    if nitrogen:
        return Content({"N": 1.0}, int(ammonium))
    if oxygen:
        return Content({"O": 1.0}, int(leading))
    return Content({"O": 1.0}, int(count) if hydroxyl and count in ("2", "3") else 1)
