"""Units of the field: which texts are units, and how values change between them.

A table of its own rather than pint's registry, which takes ``A`` for the ampere,
``muB`` for the microbyte, and methods such as ``GW``, ``ML`` or ``fu`` for units, knows
neither ``eV/atom`` nor ``cm3``, and needs more than a second to load.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from pyg_sitenet.data.readers.unit_table import NAMES, PHRASES, PREFIXES, UNITS

_LETTERS = str.maketrans(
    {
        **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True)),
        **dict.fromkeys("\u00b7\u22c5\u2219\u00d7*", " "),
        **dict.fromkeys("\u2212\u2013", "-"),
    }
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:e[+-]?\d+)?)"
    r"|(?P<symbol>a_?0|[A-Za-z_%][A-Za-z_.%]*)"
    r"|(?P<slash>/)|(?P<bracket>[()]))(?:\^?\{?(?P<power>[+-]?\d+)\}?)?"
)
_LOGARITHM = re.compile(r"(log10|log|ln)\s*\(?\s*(.+?)\)?", re.I)
_WORDS = ("cal", "min")  # calculated and minimum, when they stand alone
# A value with its unit, such as 300 K; 1/cm and 10^-6/K are units.
_QUANTITY = re.compile(
    r"(?<![\d.^eE+-])(?<!\ba)(?<!\ba_)(?!10?(?![\d.]))\d+(?:\.\d*)?(?![\d.eE])\s*[A-Za-z]"
)
_COUNTED = ("atom", "f.u.", "cell", "site")
_LARGEST_POWER = 30
_MOLE_PERCENT = re.compile(r"\bmol\s*%")
_NO_DIMENSION = ("", "-", "1", "dimensionless", "unitless", "none")
_PLANCK, _LIGHT = 6.62607015e-31, 299792458.0  # g m^2 s^-1 as everything here, m/s
_ENERGY = {"g": 1, "m": 2, "s": -2}
# Energies, frequencies and wave numbers of one quantum, as phonons have them.
_QUANTA = (
    (_ENERGY, 1.0),
    ({"s": -1}, _PLANCK),
    ({"rad": 1, "s": -1}, _PLANCK / (2 * math.pi)),
    ({"m": -1}, _PLANCK * _LIGHT),
)


class Unit(NamedTuple):
    """A unit in terms of the base units.

    Attributes:
        factor: How many of them it is.
        dimensions: Their powers.
        offset: What its 0 is in them; of degrees Celsius alone not 0.
        logarithm: ``"log10"`` or ``"ln"`` if values are logarithms in this unit,
            ``"log"`` if their base is not said.
    """

    factor: float
    dimensions: dict[str, int]
    offset: float = 0.0
    logarithm: str = ""


class Conversion(NamedTuple):
    """From one unit to another: ``value * scale + offset``."""

    scale: float
    offset: float

    def __call__(self, value: float) -> float:
        """Return the value in the other unit."""
        return value * self.scale + self.offset


SAME = Conversion(1.0, 0.0)
WHOLE = "100 %"
"""Unit of a number that a spreadsheet holds as a share of 1 and shows in percent."""


def conversion(unit: str, wanted: str) -> Conversion | None:
    """Return how values change from one unit to another; None if nobody knows.

    Example:
        >>> conversion("meV", "eV"), conversion("eV", "eV/atom")
        (Conversion(scale=0.001, offset=0.0), None)
    """
    if _tidy(unit) == _tidy(wanted):
        return SAME
    old, new = parse_unit(unit), parse_unit(wanted)
    if old is None or new is None or old.logarithm != new.logarithm:
        return None
    factor = _ratio(old, new)
    if factor is None or (old.logarithm == "log" and factor != 1):
        return None
    if old.logarithm:
        shift = math.log10(factor) if old.logarithm == "log10" else math.log(factor)
        return Conversion(1.0, _rounded(shift))
    return Conversion(factor, _rounded((old.offset - new.offset) / new.factor))


def is_unit(text: str) -> bool:
    """Tell whether a text is a unit, such as ``eV/atom``, rather than part of a name.

    Example:
        >>> is_unit("eV/atom"), is_unit("PBE"), is_unit("K_VRH"), is_unit("300 K")
        (True, False, False, False)
    """
    plain = _tidy(text)
    if plain.lower() in _NO_DIMENSION:
        return True
    unit = parse_unit(text)
    if unit is None or plain in _WORDS or _QUANTITY.search(plain):
        return False
    is_count = all(name in _COUNTED for name in unit.dimensions)
    return "%" in plain or "/" in plain or not (unit.dimensions and is_count)


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> Unit | None:
    """Return what a unit is in base units; None if it is none that is known."""
    plain = _tidy(text)
    if plain.lower() in _NO_DIMENSION:
        return Unit(1.0, {})
    match = _LOGARITHM.fullmatch(plain)
    if match is not None and plain.startswith(("log", "ln")):
        inner = parse_unit(match[2])
        return None if inner is None else inner._replace(logarithm=match[1].lower())
    if plain.lower().replace(" ", "") in ("°c", "degc", "celsius"):
        return Unit(1.0, {"K": 1}, 273.15)
    for pattern, symbol in PHRASES:
        plain = pattern.sub(symbol, plain)
    return _product(plain)


def _tidy(text: str) -> str:
    """Write a unit with the letters of the keyboard."""
    text = text.strip().replace("**", "^").translate(_LETTERS)
    text = unicodedata.normalize("NFKC", text)
    text = text.replace("μ", "u").replace("Å", "A").replace("Ω", "Ohm")
    return " ".join(text.split())


def _product(text: str) -> Unit | None:
    """Read factors; all that follow a slash are below it, as in ``W/m K``."""
    factor, dimensions = 1.0, Counter[str]()
    place, sign = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        place, sign = match.end(), -1 if match["slash"] else sign
        part, power = _factor(match), sign * int(match["power"] or 1)
        if part is None or abs(power) > _LARGEST_POWER:
            return None
        factor *= part.factor**power
        for name, exponent in part.dimensions.items():
            dimensions[name] += power * exponent
    if not re.search("[A-Za-z%]", text) or _MOLE_PERCENT.search(text):
        return None  # a number alone, or percent of the number of moles
    return Unit(factor, {name: k for name, k in dimensions.items() if k})


def _factor(match: re.Match[str]) -> Unit | None:
    """Return what a part of a product is; signs between the parts are 1."""
    if match["symbol"]:
        return _symbol(match["symbol"])
    return Unit(float(match["number"] or 1), {})


def _symbol(text: str) -> Unit | None:
    name = text.rstrip(".") if text != "f.u." else text
    name = name if _is_symbol(name) else _spelled(name)
    if name == "cm^3":
        return _product(name)
    if name in UNITS:
        return _base(name)
    prefix, rest = name[:1], name[1:]
    if rest in UNITS and prefix in UNITS[rest][1]:
        unit = _base(rest)
        return unit._replace(factor=unit.factor * PREFIXES[prefix])
    return None


def _spelled(name: str) -> str:
    """Return a unit that is written otherwise; MEV may be meV as well as MeV."""
    symbol = NAMES.get(name.lower(), name)
    is_prefixed = symbol[:1] in ("m", "M") and symbol[1:] in UNITS
    is_doubtful = is_prefixed and name[0] != symbol[0] and not name.islower()
    return name if is_doubtful else symbol


def _is_symbol(name: str) -> bool:
    rest = name[1:]
    return name in UNITS or (rest in UNITS and name[0] in UNITS[rest][1])


def _base(name: str) -> Unit:
    definition = UNITS[name][0]
    unit = _product(definition) if definition not in ("", "1") else None
    if unit is not None:
        return unit
    if definition or name == "mol":
        return Unit(float(definition), {})
    return Unit(1.0, {name: 1})


def _ratio(old: Unit, new: Unit) -> float | None:
    """Return how many of the new unit the old one is."""
    if old.dimensions == new.dimensions:
        return _rounded(old.factor / new.factor)
    quanta = [
        next((size for dims, size in _QUANTA if dims == unit.dimensions), None)
        for unit in (old, new)
    ]
    if quanta[0] is None or quanta[1] is None:
        is_same = _without_angle(old) == _without_angle(new)
        return _rounded(old.factor / new.factor) if is_same else None
    return _rounded(old.factor * quanta[0] / (new.factor * quanta[1]))


def _without_angle(unit: Unit) -> dict[str, int]:
    """Return the dimensions of a unit in which a radian is 1."""
    return {name: k for name, k in unit.dimensions.items() if name != "rad"}


def _rounded(number: float) -> float:
    """Take away the noise of the last digit: a thousandth is 0.001."""
    return float(f"{number:.15g}")
