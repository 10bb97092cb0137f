"""The eight element properties of a site, their units and source (elements.csv)."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

PROPERTY_NAMES = (
    "atomic_number",
    "atomic_weight",
    "row",
    "column",
    "first_ionization_energy",
    "electronegativity",
    "atomic_radius",
    "density",
)
UNITS = ("", "g/mol", "", "", "eV", "Pauling", "angstrom", "kg/m3")
MAX_ATOMIC_NUMBER = 118

# Oxidation states are centred on 0 (the value of a structure that carries none) and
# run from -4 to +8, most of them from -2 to +4: 2 brings them to the others' scale.
OXIDATION_STATE_SCALE = 2.0


@cache
def element_properties() -> NDArray[np.float64]:
    """Return the property table of all elements.

    Magpie has gaps (noble gases, At, Fr, Cm and beyond); they are filled from the same
    column of the periodic table and marked in ``elements.csv``, so that every crystal
    can be encoded.

    Returns:
        Array of shape [119, 8]; row is the atomic number (row 0 is zero), columns are
        :data:`PROPERTY_NAMES` in :data:`UNITS`. It is shared and read-only.
    """
    table = np.zeros((MAX_ATOMIC_NUMBER + 1, len(PROPERTY_NAMES)))
    for z, row in enumerate(_rows(), start=1):
        table[z] = [float(cell.rstrip("*")) for cell in row[1:]]
    table.setflags(write=False)
    return table


def property_statistics() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the constants that bring the nine site properties to one scale.

    Returns:
        Mean and standard deviation over the elements, each of shape [9]: the eight
        properties, then the oxidation state (0 and :data:`OXIDATION_STATE_SCALE`).
    """
    table = element_properties()[1:]
    mean = np.append(table.mean(axis=0), 0.0)
    scale = np.append(table.std(axis=0), OXIDATION_STATE_SCALE)
    return mean, scale


def _rows() -> list[list[str]]:
    text = resources.files(__package__).joinpath("elements.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.reader(lines[1:]))
