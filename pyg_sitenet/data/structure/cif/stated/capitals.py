"""Formulas in capitals, whose letters may be one element or two: CO, SI, HF."""

from __future__ import annotations

import re
from itertools import product
from math import prod

from pymatgen.core import Element

from pyg_sitenet.data.structure.cif.mixture import element

_RUN = re.compile(r"([A-Z]+)")
_LONGEST = 12
# Readings that are compared with the atoms: real formulas have fewer.
_MOST = 64
# No crystal was made of heavier ones: NO3 is no nobelium.
_HEAVIEST = 98


def proper_formulas(text: str) -> list[str]:
    """Return the formulas that a text may mean, the likeliest first.

    Where blanks part the elements, two letters are one; without blanks, every letter
    is one if it can be. A text with small letters means what it says.

    Example:
        >>> proper_formulas("CO O"), proper_formulas("K2CO3")
        (['Co O', 'C O O'], ['K2C O3', 'K2Co3'])
    """
    runs = _RUN.split(text)
    letters = runs[1::2]
    if text != text.upper() or max(map(len, letters), default=0) > _LONGEST:
        return [text]
    is_spelt = len(text.split()) == 1 and all(map(element, "".join(letters)))
    options = [_splits(run, (1, 2) if is_spelt else (2, 1)) for run in letters]
    if prod(map(len, options)) not in range(1, _MOST + 1):
        return [] if all(options) else [text]
    formulas = []
    for chosen in product(*options):
        runs[1::2] = chosen
        formulas.append("".join(runs))
    return formulas


def _splits(letters: str, lengths: tuple[int, ...]) -> list[str]:
    """Return the elements, parted by blanks, that letters may be."""
    splits = []
    for length in lengths:
        symbol, rest = element(letters[:length]), letters[length:]
        if length > len(letters) or not symbol or Element(symbol).Z > _HEAVIEST:
            continue
        ends = _splits(rest, lengths) if rest else [""]
        splits += [f"{symbol} {end}".strip() for end in ends]
    return splits
