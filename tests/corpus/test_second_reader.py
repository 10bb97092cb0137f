"""CIFs as pymatgen or ASE read them too; where neither agrees, a count by hand."""

import os
import warnings
from contextlib import suppress
from pathlib import Path

import ase.io
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser

from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.formats import read_pieces
from pyg_sitenet.errors import StructureError

# Folders of CIFs, such as the test files in the sources of other packages.
FOLDERS = "PYG_SITENET_CIF_FOLDERS"
OWN = Path(__file__).parent / "cif"
ENDINGS = (".cif", ".mcif", ".cif.gz", ".mcif.gz")
# Formula of the cell where both other readers are wrong: by the names of files.
BY_HAND = {
    # Sites of ammonia and of hydroxide, an extended symbol (F4/mmm, C2:b1), a
    # reference symbol, magnetic operations that they leave out.
    "PF_sd_1002871.cif": ("Cu4 Br8 N24", "Cu2 Br4 N12"),
    "PF_sd_1601634.cif": ("Zn2.58 Fe1.38 As4 Pb2.04 O20",),
    "badspacegroup.cif": ("K2 Mg2 Al4 Si8 O24",),
    "Ni_ref.cif": ("Ni4",),
    "magnetic.disordered.example.CuMnO2.mcif": ("Mn7.456 Cu8.544 O16",),
    # Reported files, whose README tells what is right.
    "01-p21n-short-name.cif": ("Na6 Al2 F12",),
    "02-hall-symbol-only.cif": ("Zr4 O8",),
    "04-old-name-fd3m.cif": ("Si8",),
    "06-rhombohedral-axes.cif": ("Bi2",),
    "14-thirds-of-three-digits-partial.cif": ("La2 Zn0.5",),
    "15-thirds-of-three-digits-full.cif": ("La2 Zn2",),
}


def by_pymatgen(path):
    try:
        parser = CifParser(path, occupancy_tolerance=100)
        return parser.parse_structures(
            primitive=False, check_occu=False, on_error="ignore"
        )
    except Exception:  # noqa: BLE001 - whatever the other reader raises
        return []


def by_ase(path):
    try:
        return [_structure(atoms) for atoms in ase.io.read(path, ":", format="cif")]
    except Exception:  # noqa: BLE001
        return []


def _structure(atoms):
    shares = atoms.info.get("occupancy")
    kinds = atoms.arrays.get("spacegroup_kinds")
    species = atoms.get_chemical_symbols()
    if shares and kinds is not None:
        species = [shares[str(kind)] for kind in kinds]
    return Structure(Lattice(atoms.cell.array), species, atoms.get_scaled_positions())


def amounts(structure):
    total = {}
    for specie, amount in structure.composition.items():
        total[specie.symbol] = total.get(specie.symbol, 0) + amount
    return total


def agree(ours, other):
    """Tell whether two structures have the same sites within 0.1 angstrom."""
    if amounts(ours) != pytest.approx(amounts(other), rel=0.02):
        return False
    apart = ours.frac_coords[:, None] - other.frac_coords
    apart -= np.rint(apart)
    distances = np.linalg.norm(apart @ ours.lattice.matrix, axis=-1)
    farthest = max(distances.min(axis=0).max(), distances.min(axis=1).max())
    return farthest < 0.1 and abs(ours.volume / other.volume - 1) < 1e-3


def read_blocks(path):
    """Yield the structures of a file that are not refused, disordered ones too."""
    try:
        pieces = list(read_pieces(path))
    except StructureError:
        return
    for piece in pieces:
        with suppress(StructureError), reading(piece.origin):
            yield piece.read()


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["own", *range(20)])
def test_what_is_read_is_what_a_second_reader_reads(folder):
    folders = [Path(name) for name in os.environ.get(FOLDERS, "").split(":") if name]
    if folder != "own" and folder >= len(folders):
        pytest.skip(f"{FOLDERS} names no further folder of CIFs")
    root = OWN if folder == "own" else folders[folder]
    different = []
    for path in sorted(root.rglob("*")):
        if not path.name.lower().endswith(ENDINGS) or path.stat().st_size > 3e6:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            blocks = list(read_blocks(path))
            others = [*by_pymatgen(path), *by_ase(path)] if blocks else []
        for block in blocks:
            formula = block.composition.formula
            is_known = formula in BY_HAND.get(path.name, ())
            if others and not is_known and not any(agree(block, o) for o in others):
                different.append(f"{path.name}: {formula}")
    assert different == []
