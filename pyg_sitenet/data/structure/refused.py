"""Formats that are refused by name: they leave open what the crystal is."""

from __future__ import annotations

from collections.abc import Sequence
from posixpath import basename, splitext

from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.errors import StructureError

_SYMMETRY = "its symmetry is not read"
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".xlsx")
_PACKED = "is compressed or packed in a way that is not read; unpack it"

PICKLE_ENDINGS = (".pkl", ".pickle", ".pckl", ".pt", ".pth", ".joblib")
# Why each is not read, by its ending.
REFUSED = {
    **dict.fromkeys(
        (".res", ".ins"), "its symmetry, occupancies and lattice are not read"
    ),
    **dict.fromkeys((".cssr", ".xsd", ".xtd", ".car", ".arc", ".struct"), _SYMMETRY),
    **dict.fromkeys(
        (".pdb", ".ent"), f"{_SYMMETRY}, and its names of atoms are those of molecules"
    ),
    ".gro": "it names atoms, not elements",
    ".gen": "it may be a cluster or a helix",
    ".cube": "its atoms may be a molecule in a box",
    ".lmp": "its types name no elements",
    ".cfg": "its lengths may be in any unit",
    ".xv": "its lengths are in other units",
    **dict.fromkeys((".fdf", ".abi"), "it may refer to other files"),
    ".in": "it may be the input of any program",
    **dict.fromkeys((".out", ".log"), "it may be the output of any program"),
    ".xml": "it is the record of a calculation",
    **dict.fromkeys((".mol", ".mol2", ".sdf"), "it is a molecule"),
    **dict.fromkeys(PICKLE_ENDINGS, "can run any program when it is read"),
}
# Files of a run of VASP, by what their names begin with.
_RECORDS = ("outcar", "vasprun")
_OTHERS_OF_VASP = (
    *("chg", "chgcar", "aeccar", "locpot", "wavecar", "doscar", "eigenval"),
    *("incar", "kpoints", "potcar", "oszicar", "procar", "parchg", "elfcar"),
)
PACKED_ENDINGS = (".zst", ".z", ".lzma", ".lz4", ".br", ".7z", ".rar", ".tar", ".tgz")

# Looked for in folders too, so that no crystal is passed over in silence.
REFUSED_IN_FOLDERS = frozenset(
    {".res", ".cssr", ".pdb", ".gro", ".xsd", ".xtd", ".gen", ".struct", ".cube"}
)
REFUSED_NAMES_IN_FOLDERS = _RECORDS
RECORDS_OF_VASP = (*_RECORDS, *_OTHERS_OF_VASP)


def refusal(origin: str, file_name: str, titles: Sequence[str]) -> StructureError:
    """Return why a file is not read, and what to do.

    Args:
        origin: What messages begin with.
        file_name: The name of the file, which tells its format.
        titles: Names of the formats that are read.
    """
    name = basename(uncompressed(file_name)).lower()
    ending = splitext(name)[1]
    if ending in PACKED_ENDINGS:
        return StructureError(f"{origin}: {_PACKED}")
    if name.startswith(RECORDS_OF_VASP):
        kind = basename(file_name)[:40]
        return StructureError(
            f"{origin}: {kind} of VASP is not a format that is read: it is a record, or"
            " no list of atoms; give the CONTCAR or POSCAR of the run instead"
        )
    if ending in REFUSED:
        return StructureError(
            f"{origin}: {ending} is not a format that is read: {REFUSED[ending]};"
            " convert it to CIF"
        )
    if ending in _TABLES:
        return StructureError(
            f"{origin}: a table of crystals where the file of a single one is expected;"
            " name the file of its structure"
        )
    return StructureError(
        f"{origin}: its name tells no format that is read"
        f" ({', '.join(dict.fromkeys(titles))}); convert it to CIF (a table of"
        " crystals to CSV), or give it the ending of its format"
    )
