"""Read the CIFs of folders as pymatgen and ASE read them too, and count who agrees.

Each folder holds the unpacked source of a package (``pip download --no-deps --no-binary
:all: NAME``, or its repository); the table of docs/data.md is what this prints:

    python scripts/compare_readers.py ase-3.25.0 gemmi ...

Crystals that differ, and files that are refused, are named below the table.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser

from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.formats import read_pieces
from pyg_sitenet.errors import StructureError

ENDINGS = (".cif", ".mcif", ".cif.gz", ".mcif.gz")
# Bytes: larger files hold many crystals, of which the second readers make no use.
MAX_BYTES = 3_000_000
COLUMNS = (
    *("files", "without atoms", "crystals read", "same as a second reader"),
    *("read here alone", "others wrong", "refused"),
)
# Formula of the cell where both other readers are wrong: by the names of files.
BY_HAND = {
    # Sites of ammonia and of hydroxide, an extended symbol (F4/mmm, C2:b1), a
    # reference symbol, magnetic operations that they leave out.
    "PF_sd_1002871.cif": ("Cu4 Br8 N24", "Cu2 Br4 N12"),
    "PF_sd_1601634.cif": ("Zn2.58 Fe1.38 As4 Pb2.04 O20",),
    "badspacegroup.cif": ("K2 Mg2 Al4 Si8 O24",),
    "Ni_ref.cif": ("Ni4",),
    "magnetic.disordered.example.CuMnO2.mcif": ("Mn7.456 Cu8.544 O16",),
    # Sites of no occupancy, which they keep.
    "NaCoO2_stripe_supercell.cif": ("Na24 Co30 O60",),
    # Reported files, whose README tells what is right.
    "01-p21n-short-name.cif": ("Na6 Al2 F12",),
    "02-hall-symbol-only.cif": ("Zr4 O8",),
    "04-old-name-fd3m.cif": ("Si8",),
    "06-rhombohedral-axes.cif": ("Bi2",),
    "14-thirds-of-three-digits-partial.cif": ("La2 Zn0.5",),
    "15-thirds-of-three-digits-full.cif": ("La2 Zn2",),
}
# Angstrom: sites of two readers that are one.
SAME_SITE = 0.1


def by_pymatgen(path: Path) -> list[Structure]:
    """Return what pymatgen makes of a file; nothing if it fails."""
    try:
        parser = CifParser(path, occupancy_tolerance=100)
        return parser.parse_structures(
            primitive=False, check_occu=False, on_error="ignore"
        )
    except Exception:  # noqa: BLE001 - whatever the other reader raises
        return []


def by_ase(path: Path) -> list[Structure]:
    """Return what ASE makes of a file; nothing if it fails."""
    try:
        return [structure_of(atoms) for atoms in ase.io.read(path, ":", format="cif")]
    except Exception:  # noqa: BLE001
        return []


def structure_of(atoms: Any) -> Structure:  # noqa: ANN401 - ASE's types are its own
    """Return ASE's atoms with the shares of their sites."""
    shares = atoms.info.get("occupancy")
    kinds = atoms.arrays.get("spacegroup_kinds")
    species = atoms.get_chemical_symbols()
    if shares and kinds is not None:
        species = [shares[str(kind)] for kind in kinds]
    return Structure(Lattice(atoms.cell.array), species, atoms.get_scaled_positions())


def amounts(structure: Structure) -> dict[str, float]:
    """Return how many atoms of each element a cell has."""
    total: dict[str, float] = {}
    for specie, amount in structure.composition.items():
        total[specie.symbol] = total.get(specie.symbol, 0.0) + float(amount)
    return total


def agree(ours: Structure, other: Structure) -> bool:
    """Tell whether two structures have the same sites within 0.1 angstrom."""
    own, theirs = amounts(ours), amounts(other)
    if own.keys() != theirs.keys() or any(
        abs(own[name] - theirs[name]) > 0.02 * theirs[name] for name in own
    ):
        return False
    apart = ours.frac_coords[:, None] - other.frac_coords
    apart -= np.rint(apart)
    distances = np.linalg.norm(apart @ ours.lattice.matrix, axis=-1)
    farthest = max(distances.min(axis=0).max(), distances.min(axis=1).max())
    return bool(farthest < SAME_SITE and abs(ours.volume / other.volume - 1) < 1e-3)


def cifs_of(folder: Path) -> Iterator[Path]:
    """Yield the CIFs below a folder that are small enough to compare."""
    for path in sorted(folder.rglob("*")):
        is_cif = path.name.lower().endswith(ENDINGS) and path.is_file()
        if is_cif and path.stat().st_size <= MAX_BYTES:
            yield path


def judged(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the column of the table that each crystal of a file counts in, and why."""
    try:
        pieces = list(read_pieces(path))
    except StructureError as error:
        has_atoms = "no structure" not in str(error)
        yield ("refused" if has_atoms else "without atoms"), str(error)
        return
    others = [*by_pymatgen(path), *by_ase(path)]
    for piece in pieces:
        try:
            with reading(piece.origin):
                structure = piece.read()
        except StructureError as error:
            yield "refused", str(error)
            continue
        if not isinstance(structure, Structure):
            continue
        yield "crystals read", ""
        formula = structure.composition.formula
        if any(agree(structure, other) for other in others):
            yield "same as a second reader", ""
        elif formula in BY_HAND.get(path.name, ()):
            yield "others wrong", f"{path}: {formula}"
        elif others:
            yield "differs", f"{path}: {formula}"
        else:
            yield "read here alone", f"{path}: {formula}"


def main(folders: list[str]) -> None:
    """Print a row for each folder, and what is to be looked at."""
    lines = []
    print(f"| test files of | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for folder in map(Path, folders):
        counts: Counter[str] = Counter()
        for path in cifs_of(folder):
            counts["files"] += 1
            for column, reason in judged(path):
                counts[column] += 1
                if reason and column != "without atoms":
                    lines.append(f"{column}: {reason}")
        cells = " | ".join(str(counts[column]) for column in COLUMNS)
        print(f"| {folder.name} | {cells} |", flush=True)
    print("", *lines, sep="\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
