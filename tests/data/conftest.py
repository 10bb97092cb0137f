"""Files of small real crystals, as users keep them."""

from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]


def rock_salt(cation: str, anion: str, length: float) -> Structure:
    anions = [[x + 0.5, y, z] for x, y, z in FCC]
    return Structure(Lattice.cubic(length), [cation] * 4 + [anion] * 4, [*FCC, *anions])


@pytest.fixture
def structures() -> dict[str, Structure]:
    return {
        "NaCl": rock_salt("Na", "Cl", 5.64),
        "MgO": rock_salt("Mg", "O", 4.21),
        "LiF": rock_salt("Li", "F", 4.03),
    }


@pytest.fixture
def folder(tmp_path: Path, structures: dict[str, Structure]) -> Path:
    """A folder of three CIFs and a table with their band gaps."""
    path = tmp_path / "crystals"
    path.mkdir()
    for name, structure in structures.items():
        structure.to(str(path / f"{name}.cif"))
    (path / "gaps.csv").write_text("id,gap [eV]\nNaCl,8.5\nMgO,7.8\nLiF,13.6\n")
    return path
