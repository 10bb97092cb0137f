"""What the symbol or the label of an atom stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Element

from pyg_sitenet.data.structure.cif.values import number

_CHARGE = re.compile(r"^([A-Za-z]{1,2})(?:\d*\.?\d*[+-]?\d*\.?\d*)$")
_LETTERS = re.compile(r"^[A-Za-z]*")
# Water, hydroxyl and oxonium of which only the oxygen has a position.
_HYDROGENATED = re.compile(
    r"^(?:(O)-?[HD](\d?)|[HD](\d)(O)|(N)H(\d)|(?:(W)at(?:er)?|(O)[wW]))"
    r"(?![a-z])[^a-z]*$"
)
_ALL_CAPS_WATER = re.compile(r"^WAT(?:ER)?[^a-zA-Z]*$")
_SHARE = re.compile(r"(\d*\.?\d+(?:\(\d+\))?)\s*\*?\s*([A-Z][a-z]?)[\d.]*[+-]?")
_SUFFIXED = re.compile(r"([A-Z][a-z]?)(\d*\.\d+)")
_PAIR = re.compile(r"([A-Z][a-z])([A-Z][a-z])")
_DUMMY = re.compile(
    r"^(?:va|vac\w*|vc|void|xx?|du|dum\w*|bq|gh|lp|cg|cnt|cen\w*|q|ghost|wat\w+)$",
    re.IGNORECASE,
)
# Letters of a symbol or label: the patterns above look back.
_LONGEST = 200
# First letters that labels put their own second letter behind, such as Oa or Hb.
_PLAIN = frozenset("HCNOFSPKBI")
# Elements that no crystal was made of: their symbols stand for something else.
_LIGHTEST_UNSTABLE = 104


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
    mixed = _mixture(text)
    if mixed:
        return Content(mixed)
    group = _hydrogenated(text)
    match = _CHARGE.match(text)
    element = _element(match[1]) if match and not group else ""
    return Content({element: 1.0}) if element else group


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
    mixed = _mixture(text)
    if mixed:
        return Content(mixed)
    if not letters or _DUMMY.match(letters) or letters == "T" or _is_pair(letters):
        return None
    water = _hydrogenated(text)
    double = _element(letters[:2]) if len(letters) > 1 else ""
    if water and double not in formula:
        return water
    return _choose(letters, double, _element(letters[:1]), formula)


def _choose(
    letters: str, double: str, single: str, formula: frozenset[str]
) -> Content | None:
    """Choose between the elements of two letters and of one, such as Co and C."""
    is_proper = letters[1:2].islower() or len(letters) == 1
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


def is_ambiguous(label: str, formula: frozenset[str]) -> bool:
    """Tell whether a label in capitals may be one element or two: HO, CO, NO, PO."""
    letters = _LETTERS.findall(label.strip())[0]
    return not formula and letters[:2] in ("HO", "CO", "NO", "PO", "HF", "CN", "HG")


def _hydrogenated(text: str) -> Content | None:
    if _ALL_CAPS_WATER.match(text):
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


def _mixture(text: str) -> dict[str, float]:
    """Read rows such as ``0.615(5)Cu + 0.385(5)Al`` or ``Cu0.6Al0.4``."""
    text = text.removeprefix("(").removesuffix(")")
    if "+" in text and _SHARE.match(text):
        parts = [_SHARE.fullmatch(part.strip()) for part in text.split("+")]
        pairs = [(part[2], number(part[1])) for part in parts if part]
        complete = len(pairs) == len(parts)
    else:
        pairs = [(m[1], float(m[2])) for m in _SUFFIXED.finditer(text)]
        complete = len(pairs) > 1 and not _SUFFIXED.sub("", text).strip()
    elements = {_element(name): 0.0 for name, _ in pairs}
    if not complete or "" in elements:
        return {}
    for name, share in pairs:
        elements[_element(name)] += share
    return elements


def _is_pair(letters: str) -> bool:
    """Tell whether letters name two elements that share a place, such as FeMg."""
    match = _PAIR.fullmatch(letters)
    return match is not None and bool(_element(match[1]) and _element(match[2]))


def _element(letters: str) -> str:
    symbol = letters.capitalize()
    is_known = Element.is_valid_symbol(symbol)
    return symbol if is_known and Element(symbol).Z < _LIGHTEST_UNSTABLE else ""
