"""Species of Quantum ESPRESSO: which element a label of the user's own stands for.

A label is a symbol, or a symbol and a letter or number: ``NB`` is niobium, or nitrogen
of a kind B. The name of the potential and the mass, which stand beside it, tell which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ase.data import atomic_masses, atomic_numbers

from pyg_sitenet.errors import StructureError

# Of an input, and of an output: label, mass, name of the potential or its element.
_CARD = re.compile(r"^[ \t]*ATOMIC_SPECIES\b.*\n", re.MULTILINE | re.IGNORECASE)
_ROW = re.compile(
    r"\s*([A-Za-z]\S*)[ \t]+([-+\d.]\S*)[ \t]+('.*?'|\".*?\"|\S+).*(?:\n|$)"
)
_TABLE = re.compile(r"^[ \t]*atomic species[ \t]+valence[ \t]+mass\b.*\n", re.MULTILINE)
_ROW_OF_TABLE = re.compile(
    r"[ \t]*([A-Za-z]\S*)[ \t]+[\d.]+[ \t]+([\d.]+)[ \t]+([A-Za-z]{1,2})[ \t]*\(.*\n"
)
# An atom, in an output behind its number.
_ATOM = re.compile(
    r"^([ \t]*(?:\d+[ \t]+)?)([A-Za-z]\S*)(?=[ \t]+(?:[-+.\d(]|tau))", re.MULTILINE
)
# Names of potentials begin with the symbol, some with the atomic number before it or
# with kind and functional behind it, as in NUSPBE.RRKJ3.UPF.
_POTENTIAL = re.compile(
    r"(?:\d+-)?([A-Za-z]{1,2}?)(?:US(?:PBE|PZ|LDA|PW91|BLYP)?)?(?![A-Za-z\d])"
)

# Share of a mass: more than isotopes differ but for the lightest.
_TOLERANCE = 0.2
_ISOTOPES = {"H": (2.014, 3.016), "He": (3.016,)}


def with_symbols(text: str, origin: str) -> str:
    """Write symbols for labels that ASE, which takes two letters, reads as others.

    Args:
        text: Of an input or an output, exponents written with an e.
        origin: What messages begin with.

    Raises:
        StructureError: If potential and mass contradict each other, or tell nothing of
            a label that may be either of two elements.
    """
    symbols: dict[str, str] = {}
    for label, mass, potential in _species(text):
        symbol = _element(label, mass, potential, origin)
        if symbols.setdefault(label, symbol) != symbol:
            raise StructureError(
                f"{origin}: the species {label[:20]!r} stands for both"
                f" {symbols[label]} and {symbol}; give each a label of its own"
            )
    others = {label: s for label, s in symbols.items() if _readings(label)[0] != s}
    if not others:
        return text
    return _ATOM.sub(lambda row: row[1] + others.get(row[2], row[2]), text)


def _species(text: str) -> Iterator[tuple[str, float, str]]:
    """Yield label, mass and potential of each species, those of all runs of an output.

    What is no number is left to ASE, which refuses it.
    """
    for header, pattern in ((_CARD, _ROW), (_TABLE, _ROW_OF_TABLE)):
        for start in header.finditer(text):
            place = start.end()
            while row := pattern.match(text, place):
                place = row.end()
                try:
                    mass = float(row[2])
                except ValueError:
                    break
                yield row[1], mass, row[3]


def _readings(label: str) -> list[str]:
    """Return the elements that a label may begin with, that of two letters first."""
    symbols = (label[:2].capitalize(), label[:1].upper())
    return [s for s in dict.fromkeys(symbols) if atomic_numbers.get(s)]


def _element(label: str, mass: float, potential: str, origin: str) -> str:
    """Return the reading of a label that the potential names, or that has the mass."""
    readings = _readings(label)
    fitting = [symbol for symbol in readings if _has_mass(symbol, mass)]
    named = _element_of_potential(potential)
    is_other = not fitting and _has_mass(named, mass)
    if (
        not readings
        or is_other
        or (named in readings and fitting and named not in fitting)
    ):
        raise StructureError(
            f"{origin}: the species {label[:20]!r} may be"
            f" {' or '.join(readings) or 'no element'}, but has the mass {mass:g} and"
            f" the potential {potential[:40]!r}; correct the label, the mass or the"
            " potential"
        )
    if named in readings:
        return named
    if len(fitting) == 1:
        return fitting[0]
    if len(readings) > 1 and label[1].isupper():
        raise StructureError(
            f"{origin}: the species {label[:20]!r} may be {' or '.join(readings)}, and"
            f" neither the mass {mass:g} nor the potential {potential[:40]!r} tells"
            f" which; write {readings[0]} or {readings[1]}1"
        )
    return readings[0]


def _element_of_potential(name: str) -> str:
    """Return what may be the symbol of an element: how the name of a file begins."""
    file = re.split(r"[/\\]", name.strip("'\""))[-1]
    match = _POTENTIAL.match(file)
    return match[1].capitalize() if match else ""


def _mass(symbol: str) -> float:
    return float(atomic_masses[atomic_numbers[symbol]])


def _has_mass(symbol: str, mass: float) -> bool:
    if not atomic_numbers.get(symbol):
        return False
    known = (_mass(symbol), *_ISOTOPES.get(symbol, ()))
    return any(abs(mass / one - 1) <= _TOLERANCE for one in known)
