"""Disordered crystals as they are published."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Species, Structure


@pytest.fixture
def cu3au() -> Structure:
    """Cu3Au above 390 C: disordered fcc, conventional cell."""
    centres = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    return Structure(Lattice.cubic(3.75), [{"Cu": 0.75, "Au": 0.25}] * 4, centres)


@pytest.fixture
def manganite() -> Structure:
    """La0.7Sr0.3MnO3 as a cubic perovskite, with oxidation states."""
    a_site = {Species("La", 3): 0.7, Species("Sr", 2): 0.3}
    b_site = {Species("Mn", 3): 0.7, Species("Mn", 4): 0.3}
    oxygen = [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(
        Lattice.cubic(3.88),
        [a_site, b_site, *[Species("O", -2)] * 3],
        [[0, 0, 0], [0.5, 0.5, 0.5], *oxygen],
    )


@pytest.fixture
def half_charged() -> Structure:
    """Li0.5CoO2: every second lithium of the cathode is missing."""
    return Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(2.815, 14.05),
        [{"Li": 0.5}, "Co", "O"],
        [[0, 0, 0.5], [0, 0, 0], [0, 0, 0.2605]],
    )


@pytest.fixture
def ybco() -> Structure:
    """YBa2Cu3O6.5: oxygen in half of the places of its chains, tetragonal average."""
    sites = {
        "Y": [0.5, 0.5, 0.5],
        "Ba": [0.5, 0.5, 0.19],
        "Cu1": [0, 0, 0],
        "Cu2": [0, 0, 0.357],
        "O4": [0, 0, 0.155],
        "O2": [0.5, 0, 0.378],
    }
    species = [name.rstrip("0123456789") for name in sites]
    return Structure.from_spacegroup(
        "P4/mmm",
        Lattice.tetragonal(3.86, 11.8),
        [*species, {"O": 0.25}],
        [*sites.values(), [0.5, 0, 0]],
    )


@pytest.fixture
def garnet() -> Structure:
    """Cubic Li7La3Zr2O12: lithium on places too close to be filled together."""
    return Structure.from_spacegroup(
        "Ia-3d",
        Lattice.cubic(12.97),
        ["La", "Zr", "O", {"Li": 0.54}, {"Li": 0.45}],
        [
            [0.125, 0, 0.25],
            [0, 0, 0],
            [0.28, 0.10, 0.195],
            [0.375, 0, 0.25],
            [0.0958, 0.6855, 0.5775],
        ],
    )
