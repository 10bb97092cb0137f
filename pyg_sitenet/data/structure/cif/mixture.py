"""Labels and symbols of sites that several elements share."""

from __future__ import annotations

import re

from pymatgen.core import Element

from pyg_sitenet.data.structure.cif.values import number

_SHARE = re.compile(r"(\d*\.?\d+(?:\(\d+\))?)\s*\*?\s*([A-Z][a-z]?)[\d.]*[+-]?")
_SUFFIXED = re.compile(r"([A-Z][a-z]?)(\d*\.\d+)")
# Two names with a sign between them: some signs join parts of one name, too.
_JOINED = re.compile(r"^\(?([A-Z][a-z]?)\d*\s*([/,|&:;+_-])\s*([A-Z][a-z]?)")
_OFTEN_IN_NAMES = "_-"
_RUN = re.compile(r"(?:[A-Z][a-z]?){2,8}")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
# Labels of these are often followed by the neighbour, as in OSi or HN.
_NAMED_AFTER_NEIGHBOURS = ("O", "H")
# Metals of one letter; other single letters behind a symbol count the sites: FeA, FeB.
_METALS = frozenset("KVYWU")
# Elements that no crystal was made of: their symbols stand for something else.
_LIGHTEST_UNSTABLE = 104


def element(letters: str) -> str:
    """Return the symbol of the element that letters are, or nothing."""
    symbol = letters.capitalize()
    is_known = Element.is_valid_symbol(symbol)
    return symbol if is_known and Element(symbol).Z < _LIGHTEST_UNSTABLE else ""


def mixture(text: str) -> dict[str, float]:
    """Read rows such as ``0.615(5)Cu + 0.385(5)Al`` or ``Cu0.6Al0.4``."""
    text = text.removeprefix("(").removesuffix(")")
    if "+" in text and _SHARE.match(text):
        parts = [_SHARE.fullmatch(part.strip()) for part in text.split("+")]
        pairs = [(part[2], number(part[1])) for part in parts if part]
        complete = len(pairs) == len(parts)
    else:
        pairs = [(m[1], float(m[2])) for m in _SUFFIXED.finditer(text)]
        complete = len(pairs) > 1 and not _SUFFIXED.sub("", text).strip()
    elements = {element(name): 0.0 for name, _ in pairs}
    if not complete or "" in elements:
        return {}
    for name, share in pairs:
        elements[element(name)] += share
    return elements


def names_several(text: str, letters: str) -> bool:
    """Tell whether a label names elements without their shares: Fe/Ni, KNa, FeMg.

    Args:
        text: The label.
        letters: Those that it begins with.
    """
    joined = _JOINED.match(text)
    if joined and joined[2] not in _OFTEN_IN_NAMES:
        return True
    parts = [joined[1], joined[3]] if joined else []
    if not joined and _RUN.fullmatch(letters):
        parts = _SYMBOL.findall(letters)
    return (
        len(parts) > 1
        and parts[0] not in _NAMED_AFTER_NEIGHBOURS
        and all(map(element, parts))
        and any(len(part) > 1 or part in _METALS for part in parts[1:])
    )
