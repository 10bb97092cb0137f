"""Labels and symbols of sites that several elements share."""

from __future__ import annotations

import re

from pymatgen.core import Element

from pyg_sitenet.data.structure.cif.values import number

_SHARE = re.compile(r"(\d*\.?\d+(?:\(\d+\))?)\s*\*?\s*([A-Z][a-z]?)[\d.]*[+-]?")
_SUFFIXED = re.compile(r"([A-Z][a-z]?)(\d*\.\d+)")
# Two names with a sign between them: some signs join parts of one name, too.
_JOINED = re.compile(r"^\(?([A-Z][A-Za-z]?)\d*\s*([/,|&:;+_-])\s*([A-Z][A-Za-z]?)")
_OFTEN_IN_NAMES = "_-"
_RUN = re.compile(r"(?:[A-Z][a-z]?){2,8}")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
# Labels of these are often followed by the neighbour, as in OSi or HN.
_NAMED_AFTER_NEIGHBOURS = ("O", "H")
# Metals of one letter; other single letters behind a symbol count the sites: FeA, FeB.
_METALS = frozenset("KVYWU")
# Elements that no crystal was made of: their symbols stand for something else.
_LIGHTEST_UNSTABLE = 104
# In capitals, NO is no nobelium: no crystal was made of heavier ones than these.
_HEAVIEST_IN_CAPITALS = 98


def element(letters: str) -> str:
    """Return the symbol of the element that letters are, or nothing."""
    symbol = letters.capitalize()
    is_known = Element.is_valid_symbol(symbol)
    return symbol if is_known and Element(symbol).Z < _LIGHTEST_UNSTABLE else ""


def symbols_in(letters: str, lengths: tuple[int, ...] = (2, 1)) -> list[list[str]]:
    """Return the rows of elements that capitals may be.

    Args:
        letters: One or more.
        lengths: Of the symbols, the likelier ones first.
    """
    rows = []
    for length in lengths:
        symbol, rest = element(letters[:length]), letters[length:]
        if length > len(letters) or not symbol:
            continue
        if Element(symbol).Z > _HEAVIEST_IN_CAPITALS:
            continue
        ends = symbols_in(rest, lengths) if rest else [[]]
        rows += [[symbol, *end] for end in ends]
    return rows


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


def names_several(text: str, letters: str, formula: frozenset[str]) -> bool:
    """Tell whether a label names elements without their shares: Fe/Ni, KNa, FeMg.

    Args:
        text: The label.
        letters: Those that it begins with.
        formula: Elements of the file's formula; may be empty.
    """
    joined = _JOINED.match(text)
    if joined and joined[2] not in _OFTEN_IN_NAMES:
        return True
    rows = [[joined[1], joined[3]]] if joined else []
    if not joined and _RUN.fullmatch(letters):
        rows = _rows(letters, formula)
    return any(
        parts[0] not in _NAMED_AFTER_NEIGHBOURS
        and all(map(element, parts))
        and any(len(part) > 1 or part in _METALS for part in parts[1:])
        for parts in rows
    )


def _rows(letters: str, formula: frozenset[str]) -> list[list[str]]:
    """Return the rows of symbols that letters may be: of capitals, often several."""
    first = element(letters[:2])
    if not first or (formula and first not in formula):
        first = letters[0] if letters[0] in _METALS else ""
    rest = letters[len(first) :]
    if not letters.isupper() or not first:
        return [_SYMBOL.findall(letters)]
    rows = [[first, *row] for row in (symbols_in(rest) if rest else [[]])]
    return [row for row in rows if not formula or formula.issuperset(row)]
