"""Formulas in capitals, whose letters may be one element or two: CO, SI, HF."""

from __future__ import annotations

import re
from itertools import islice, product

from pyg_sitenet.data.structure.cif.mixture import element, symbols_in

_RUN = re.compile(r"([A-Z]+)")
_LONGEST = 12
# Readings that are compared with the atoms, the likeliest: real formulas have fewer.
_MOST = 64


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
    lengths = (1, 2) if is_spelt else (2, 1)
    options = [symbols_in(run, lengths) for run in letters]
    if not all(options):
        return [text]
    formulas = []
    for chosen in islice(product(*options), _MOST):
        runs[1::2] = map(" ".join, chosen)
        formulas.append("".join(runs))
    return formulas
