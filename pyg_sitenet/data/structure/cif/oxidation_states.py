"""The oxidation states that a data block states of its types of atoms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pymatgen.core import Element, Species

from pyg_sitenet.data.structure.cif.values import Values, is_null
from pyg_sitenet.errors import StructureError

_NUMBERS = "_atom_type_oxidation_number"
_SYMBOL_OF_TYPE = re.compile(r"\d*\.?\d*[+-]?$")
# A number with its sign on either side, and perhaps its uncertainty; or a Roman one.
_STATE = re.compile(
    r"([+-]?)\s*(?:(\d{1,2}(?:\.\d*)?|\.\d+)(?:\(\d+\))?"
    r"|(I{1,3}|I?V|VI{0,3}|IX))\s*([+-]?)"
)
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")


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

    Raises:
        StructureError: If one is no number.
    """
    symbols = values.columns.get("_atom_type_symbol", [])
    texts = values.column(_NUMBERS)
    if len(symbols) != len(texts):
        return OxidationStates({}, {})
    types = {
        symbol: _state(symbol, text, values.origin)
        for symbol, text in zip(symbols, texts, strict=True)
        if not is_null(text)
    }
    of_elements: dict[str, set[float]] = {}
    for symbol, state in types.items():
        element = _SYMBOL_OF_TYPE.sub("", symbol).capitalize()
        of_elements.setdefault(element, set()).add(state)
    alike = {
        element: min(states)
        for element, states in of_elements.items()
        if len(states) == 1
    }
    return OxidationStates(types, alike)


def _state(symbol: str, text: str, origin: str) -> float:
    match = _STATE.fullmatch(text.replace("\u2212", "-").strip())
    if not match or (match[1] and match[4]):
        raise StructureError(
            f"{origin}: {_NUMBERS} of {symbol} is {text[:20]!r}, expected a number such"
            " as 3, 3+ or -2; correct it, or write ? where it is not known"
        )
    size = float(match[2]) if match[2] else float(_ROMAN.index(match[3]))
    return -size if "-" in (match[1], match[4]) else size
