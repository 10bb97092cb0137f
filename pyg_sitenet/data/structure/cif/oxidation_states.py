"""The oxidation states that a data block states of its types of atoms."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Element, Species

from pyg_sitenet.data.structure.cif.values import Values, is_null
from pyg_sitenet.errors import SiteNetWarning

_NUMBERS = "_atom_type_oxidation_number"
_STATE_OF_TYPE = re.compile(r"[+-]?\d*\.?\d*[+-]?$")
# A number with its sign on either side, and perhaps its uncertainty; or a Roman one.
_STATE = re.compile(
    r"([+-]?)\s*(?:(\d{1,2}(?:[.,]\d*)?|[.,]\d+)(?:\(\d+\))?"
    r"|(I{1,3}|I?V|VI{0,3}|IX))\s*([+-]?)",
    re.IGNORECASE,
)
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
_SIGNS = str.maketrans({"\u2013": "-", "\u2212": "-"})
_MISSING = frozenset(
    ("", "-", "--", "na", "n/a", "nan", "none", "null", "unknown", "missing")
)


@dataclass(frozen=True)
class OxidationStates:
    """Oxidation states by type of atom.

    Args:
        types: Of each type that has one, by its symbol.
        elements: Of each element whose types have the same one.
    """

    types: Mapping[str, float]
    elements: Mapping[str, float]

    def specie(self, element: str, symbol: str) -> Element | Species:
        """Return an element, with its oxidation state where that is stated.

        Args:
            element: Its symbol.
            symbol: That of the type of the atom.
        """
        state = self.types.get(symbol, self.elements.get(element))
        return Element(element) if state is None else Species(element, state)


def read_oxidation_states(values: Values) -> OxidationStates:
    """Return the oxidation states of the types of atoms, none if none are stated.

    A type or an element that is stated with different ones has none.
    """
    symbols = values.columns.get("_atom_type_symbol", [])
    texts = values.column(_NUMBERS)
    of_types: dict[str, set[float]] = {}
    of_elements: dict[str, set[float]] = {}
    if len(symbols) != len(texts):
        return OxidationStates({}, {})
    for symbol, text in zip(symbols, texts, strict=True):
        element = _STATE_OF_TYPE.sub("", symbol).capitalize()
        state = _state(symbol, element, text, values.origin)
        if state is not None:
            of_types.setdefault(symbol, set()).add(state)
            of_elements.setdefault(element, set()).add(state)
    return OxidationStates(_agreed(of_types), _agreed(of_elements))


def _agreed(states: Mapping[str, set[float]]) -> dict[str, float]:
    return {name: min(found) for name, found in states.items() if len(found) == 1}


def _state(symbol: str, element: str, text: str, origin: str) -> float | None:
    """Return the number that a text means, which may follow the symbol: ``Fe3+``."""
    plain = text.translate(_SIGNS).strip()
    if is_null(text) or plain.lower() in _MISSING:
        return None
    behind = re.compile(rf"{re.escape(element)}\s*(?=[\d+-])", re.IGNORECASE)
    match = _STATE.fullmatch(behind.sub("", plain, count=1))
    if not match or (match[1] and match[4]):
        warnings.warn(
            f"{origin}: {_NUMBERS} of {symbol} is {text[:20]!r}, expected a number such"
            " as 3, 3+ or -2: taken as not known",
            SiteNetWarning,
            stacklevel=4,
        )
        return None
    if match[2]:
        size = float(match[2].replace(",", "."))
    else:
        size = float(_ROMAN.index(match[3].upper()))
    return -size if "-" in (match[1], match[4]) else size
