"""Small real crystals, as they are published."""

from __future__ import annotations

import os
from copy import deepcopy

# Small tensors gain nothing from threads, which wait for each other on a busy machine.
# Before torch is imported, and for the commands that tests run.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import math

import pytest
from pymatgen.core import Lattice, Structure

LONGEST = "test_examples.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the file that takes longest: at the end one process would be left."""
    items.sort(key=lambda item: item.path.name != LONGEST)


@pytest.fixture(scope="session")
def _cubic() -> dict[str, Structure]:
    """What takes a second or two each to build, of 192 operations, once for all."""
    salt = [[0, 0, 0], [0.5, 0.5, 0.5]]
    make = Structure.from_spacegroup
    return {
        "nacl": make("Fm-3m", Lattice.cubic(5.6402), ["Na", "Cl"], salt),
        "silicon": make("Fd-3m", Lattice.cubic(5.431), ["Si"], salt[:1]),
    }


@pytest.fixture
def nacl(_cubic: dict[str, Structure]) -> Structure:
    """Rock salt, conventional cell (8 atoms)."""
    return deepcopy(_cubic["nacl"])  # a copy has fixed labels


@pytest.fixture
def mixed_salt() -> Structure:
    """(Na,K)Cl, half of each, conventional cell."""
    species = [{"Na": 0.5, "K": 0.5}] * 4 + ["Cl"] * 4
    centres = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    edges = [[0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    return Structure(Lattice.cubic(5.96), species, centres + edges)


@pytest.fixture
def silicon(_cubic: dict[str, Structure]) -> Structure:
    """Diamond structure, conventional cell (8 atoms)."""
    return deepcopy(_cubic["silicon"])


@pytest.fixture
def cscl() -> Structure:
    """Primitive cubic, 2 atoms."""
    return Structure(Lattice.cubic(4.123), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture
def iron() -> Structure:
    """Body-centred cubic, conventional cell (2 atoms, one unique site)."""
    return Structure(Lattice.cubic(2.8665), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture
def rutile() -> Structure:
    """TiO2, tetragonal, 6 atoms."""
    return Structure.from_spacegroup(
        "P4_2/mnm",
        Lattice.tetragonal(4.5937, 2.9587),
        ["Ti", "O"],
        [[0, 0, 0], [0.3053, 0.3053, 0]],
    )


@pytest.fixture
def quartz() -> Structure:
    """Left-handed alpha quartz, 9 atoms."""
    return Structure.from_spacegroup(
        "P3_221",
        Lattice.hexagonal(4.9134, 5.4052),
        ["Si", "O"],
        [[0.4697, 0, 2 / 3], [0.4135, 0.2669, 0.7858]],
    )


@pytest.fixture
def vo2_m1() -> Structure:
    """Monoclinic VO2 with paired vanadium: Longo and Kierkegaard (1970), 12 atoms."""
    return Structure.from_spacegroup(
        "P2_1/c",
        Lattice.monoclinic(5.7517, 4.5378, 5.3825, 122.646),
        ["V", "O", "O"],
        [
            [0.23947, 0.97894, 0.02646],
            [0.10616, 0.21185, 0.20859],
            [0.40051, 0.70258, 0.29884],
        ],
    )


@pytest.fixture
def srtio3_tilted() -> Structure:
    """SrTiO3 in I4/mcm, octahedra rotated by 8 degrees, 20 atoms (10 primitive)."""
    x = 0.25 - math.tan(math.radians(8)) / 4
    return Structure.from_spacegroup(
        "I4/mcm",
        Lattice.tetragonal(5.507, 7.796),
        ["Sr", "Ti", "O", "O"],
        [[0, 0.5, 0.25], [0, 0, 0], [0, 0, 0.25], [x, x + 0.5, 0]],
    )


@pytest.fixture
def triclinic() -> Structure:
    """Kyanite, Al2SiO5, P-1: Winter and Ghose (1979), 32 atoms."""
    sites = {
        "Al": [[0.3254, 0.7040, 0.4582], [0.2974, 0.6989, 0.9505],
               [0.0998, 0.3862, 0.6403], [0.1120, 0.9175, 0.1649]],
        "Si": [[0.2962, 0.0649, 0.7066], [0.2910, 0.3317, 0.1892]],
        "O": [[0.1095, 0.1468, 0.1288], [0.1230, 0.6856, 0.1812],
              [0.2747, 0.4545, 0.9547], [0.2831, 0.9354, 0.9353],
              [0.1219, 0.6307, 0.6389], [0.2822, 0.4453, 0.4288],
              [0.2915, 0.9467, 0.4659], [0.5008, 0.2749, 0.2440],
              [0.1084, 0.1520, 0.6669], [0.5015, 0.2312, 0.7553]],
    }  # fmt: skip
    return Structure.from_spacegroup(
        "P-1",
        Lattice.from_parameters(7.1262, 7.8520, 5.5724, 89.99, 101.11, 106.03),
        [element for element, positions in sites.items() for _ in positions],
        [position for positions in sites.values() for position in positions],
    )
