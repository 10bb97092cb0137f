"""The units of the field, the prefixes they take, and how else they are written."""

from __future__ import annotations

import re

# Each unit in terms of others, and the prefixes that it takes. What is counted (atoms,
# formula units, cells) has a dimension of its own: eV is no eV/atom. So has an angle:
# an angular frequency is 2 pi times a frequency.
UNITS = {
    **dict.fromkeys(("m",), ("", "fpnumck")),
    **dict.fromkeys(("s",), ("", "fpnum")),
    **dict.fromkeys(("A_",), ("", "munp")),
    "g": ("", "mk"),
    "K": ("", "mu"),
    "atom": ("", ""),
    "f.u.": ("", ""),
    "cell": ("", ""),
    "site": ("", ""),
    "arb": ("", ""),
    "A": ("1e-10 m", ""),
    "bohr": ("0.529177210544 A", ""),
    "Hz": ("s^-1", "kMGT"),
    "min": ("60 s", ""),
    "N": ("kg m s^-2", "pnumkM"),
    "Pa": ("N m^-2", "mkMGT"),
    "bar": ("1e5 Pa", "mkM"),
    "atm": ("101325 Pa", ""),
    "Torr": ("133.32236842105263 Pa", "m"),
    "dyn": ("1e-5 N", ""),
    "erg": ("1e-7 J", ""),
    "J": ("N m", "fpnumkM"),
    "cal": ("4.184 J", "k"),
    "eV": ("1.602176634e-19 J", "numkM"),
    "Ha": ("27.211386245981 eV", "m"),
    "Ry": ("13.6056931229905 eV", "m"),
    "W": ("J s^-1", "numk"),
    "C": ("A_ s", "pnum"),
    "e": ("1.602176634e-19 C", ""),
    "V": ("W A_^-1", "numk"),
    "F": ("C V^-1", "pnum"),
    "Ohm": ("V A_^-1", "numkMGT"),
    "S": ("A_ V^-1", "num"),
    "T": ("V s m^-2", "num"),
    "H": ("V s A_^-1", "num"),
    "D": ("3.3356409519815e-30 C m", ""),
    "muB": ("9.2740100657e-24 J T^-1", ""),
    "kB": ("1.380649e-23 J K^-1", ""),
    "u": ("1.66053906892e-24 g", ""),
    "mol": ("6.02214076e23", "mk"),
    "L": ("1e-3 m^3", "m"),
    "deg": ("0.017453292519943295 rad", ""),
    "rad": ("", "m"),
    "%": ("0.01", ""),
    "ppm": ("1e-6", ""),
}
PREFIXES = {
    "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
# How else they are written, in small letters where that is no other unit.
NAMES = {
    "angstrom": "A", "angstroms": "A", "ang": "A", "a0": "bohr", "a_0": "bohr",
    "amu": "u", "da": "u", "uohm": "uOhm", "mohm": "mOhm", "kohm": "kOhm",
    "electronvolt": "eV", "electronvolts": "eV", "ev": "eV", "mev": "meV",
    "hartree": "Ha", "eh": "Ha", "rydberg": "Ry", "kelvin": "K", "pascal": "Pa",
    "gpa": "GPa", "mpa": "MPa", "kbar": "kbar", "hz": "Hz", "thz": "THz", "mub": "muB",
    "mu_b": "muB", "ub": "muB", "u_b": "muB", "bohrmagneton": "muB", "debye": "D",
    "k_b": "kB", "atoms": "atom", "at": "atom", "fu": "f.u.", "f.u": "f.u.",
    "formula": "f.u.", "cells": "cell", "unitcell": "cell", "sites": "site",
    "degree": "deg", "degrees": "deg", "percent": "%", "ohm": "Ohm", "cc": "cm^3",
    "sec": "s", "joule": "J", "tesla": "T", "volt": "V", "meter": "m", "ampere": "A_",
    "nanometer": "nm", "kcal": "kcal", "coulomb": "C", "debyes": "D",
}  # fmt: skip
PHRASES = (
    (re.compile(r"arb(itrary|\.)?\s*u(nits|nit|\.)?|\ba\.\s?u\.", re.I), "arb"),
    (re.compile(r"(unit|primitive)[\s_-]*cell|\bu\.\s?c\.", re.I), "cell"),
    (re.compile(r"formula[\s_-]*unit|\bf\.\s?u\.", re.I), "f.u."),
    (re.compile(r"bohr[\s_-]*magnetons?", re.I), "muB"),
    (re.compile(r"\s+per\s+", re.I), "/"),
    (re.compile(r"\.(?=[A-Za-z]+\^?-\d)"), " "),  # W.m-1.K-1
    (re.compile(r"\bW/mK\b"), "W/m K"),  # no millikelvin
    (re.compile(r"\bVs\b"), "V s"),
    # The ampere is meant before lengths and with a prefix, else the angstrom.
    (re.compile(r"\bA(?=\s*/\s*[cmunk]?m(?![A-Za-z])|\s+[cmunk]?m\^?-)"), "A_"),
    (re.compile(r"\b([munp])A\b"), r"\1A_"),
    (re.compile(r"\bkA\b"), "1000 A_"),
)
