"""Units of the field: told from other words, and converted."""

from __future__ import annotations

import math

import pytest

from pyg_sitenet.data.readers.units import conversion, is_unit


@pytest.mark.parametrize(
    ("unit", "wanted", "scale"),
    [
        ("meV", "eV", 1e-3),
        ("meV/atom", "eV/atom", 1e-3),
        ("GPa", "kbar", 10.0),
        ("eV/A^3", "GPa", 160.2176634),  # of ase.units
        ("Ha", "eV", 27.211386245981),
        ("Ry", "Ha", 0.5),
        ("kJ/mol", "eV", 0.0103642696562622),
        ("kcal mol-1", "kJ/mol", 4.184),
        ("THz", "cm^-1", 33.3564095198152),  # 1 / (100 c)
        ("cm\u207b\u00b9", "meV", 0.1239841984332),
        ("g/cm3", "kg m^-3", 1000.0),
        ("\u00c5\u00b3/atom", "nm^3/atom", 1e-3),
        ("\u00b5C/cm^2", "C/m^2", 0.01),
        ("\u03bcB/f.u.", "mu_B / formula unit", 1.0),
        ("W/mK", "W m^-1 K^-1", 1.0),
        ("eV per atom", "eV/atom", 1.0),
        ("%", "", 0.01),
        ("kg/m**3", "g/cm**3", 1e-3),
        ("A**3", "nm^3", 1e-3),
        ("eV/A**3", "GPa", 160.2176634),
        ("kg*m**-3", "kg m^-3", 1.0),
        ("rad/ps", "THz", 1 / (2 * math.pi)),
        ("meV", "rad/ps", 1.519267447878),  # 1 / hbar
        ("deg", "rad", math.pi / 180),
        ("mrad", "", 1e-3),
        ("N m/rad", "N m", 1.0),
        ("A/cm2", "mA/cm2", 1e3),
        ("A/m2", "A cm^-2", 1e-4),
        ("EV", "meV", 1e3),
        ("a0", "A", 0.529177210544),
        ("a_0", "bohr", 1.0),
        ("a0^3", "A^3", 0.148184711170572),
        ("a0\u00b3/atom", "bohr^3/atom", 1.0),
        ("Ha/a0", "N", 8.2387235038e-8),  # of CODATA 2022
        ("e a0", "C m", 8.4783536198e-30),
        ("\u00b5\u03a9 cm", "Ohm m", 1e-8),  # micro sign
        ("\u03bc\u03a9 cm", "Ohm m", 1e-8),  # Greek mu
        ("\u03bc\u2126\u00b7cm", "Ohm m", 1e-8),  # ohm sign
        ("\u00b5ohm cm", "uOhm cm", 1.0),
        ("n\u03a9 m", "Ohm m", 1e-9),
        ("G\u03a9", "Ohm", 1e9),
    ],
)
def test_values_change_as_the_units_say(unit: str, wanted: str, scale: float) -> None:
    change = conversion(unit, wanted)
    assert change is not None
    assert change.scale == pytest.approx(scale, rel=1e-10)
    assert change.offset == 0


def test_conversion_keeps_the_digits() -> None:
    change = conversion("meV", "eV")
    assert change is not None
    assert change(1234.5) == 1.2345


@pytest.mark.parametrize(
    "text",
    ["a0", "a0^3", "a0\u00b3", "a0 Ry", "a_0 Ry", "\u00b5\u03a9 cm", "\u03bc\u03a9 cm"],
)
def test_bohr_radii_and_microohms_are_units(text: str) -> None:
    assert is_unit(text)


def test_degrees_and_logarithms_are_shifted() -> None:
    assert conversion("degC", "K") == (1.0, 273.15)
    assert conversion("log10(GPa)", "log10(kbar)") == (1.0, 1.0)
    assert conversion("ln GPa", "ln(kbar)") == (1.0, pytest.approx(math.log(10)))


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        ("eV", "eV/atom"),
        ("eV/atom", "eV/f.u."),
        ("eV", "GPa"),
        ("foo", "eV"),
        ("a.u.", "D"),
        ("MEV", "eV"),  # of a thousandth or a million
        ("mPA", "Pa"),
        ("log(GPa)", "log10(GPa)"),  # a log of no base is as often the natural one
        ("log(GPa)", "ln(GPa)"),
        ("log(GPa)", "log(kbar)"),
    ],
)
def test_unlike_units_are_not_converted(unit: str, wanted: str) -> None:
    assert conversion(unit, wanted) is None


def test_a_unit_that_nobody_knows_is_itself() -> None:
    assert conversion("furlong", " furlong") == (1.0, 0.0)


@pytest.mark.parametrize(
    "text", ["PBE", "HSE06", "GW", "VRH", "x", "K_VRH", "2 eV", "Fe"]
)
def test_other_words_are_no_units(text: str) -> None:
    assert not is_unit(text)


@pytest.mark.parametrize(
    ("unit", "same"),
    [
        ("g.cm-3", "g/cm^3"),
        ("W.m-1.K-1", "W/(m K)"),
        ("1e10 dyn/cm2", "GPa"),
        ("1e3 erg/cm2", "J/m^2"),
    ],
)
def test_points_between_factors_and_small_forces_are_read(unit: str, same: str) -> None:
    assert is_unit(unit)
    change = conversion(unit, same)
    assert change is not None
    assert change.scale == pytest.approx(1)
