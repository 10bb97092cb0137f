"""Files of a folder that hold a structure under a name that tells no format."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import partial
from posixpath import basename, dirname, splitext

from pyg_sitenet.data.readers.files.documents import beginning
from pyg_sitenet.data.readers.files.file_names import (
    is_archive,
    is_document,
    is_frame_file,
    is_structure_file,
    is_table,
    without_records,
)
from pyg_sitenet.data.readers.files.places import Place
from pyg_sitenet.data.structure.compression import uncompressed
from pyg_sitenet.data.structure.programs.vasp_head import HEADER_LINES, is_head
from pyg_sitenet.data.structure.refused import ODD_ENDINGS
from pyg_sitenet.data.structure.text import TextFile

# Texts for people, programs and pictures: what they quote is no crystal of the data.
_OTHERS = (
    *("readme", "license", "licence", "changelog", "makefile"),
    *(".md", ".rst", ".tex", ".bib", ".html", ".htm", ".pdf", ".doc", ".docx", ".log"),
    *(".py", ".ipynb", ".sh", ".slurm", ".pbs", ".c", ".f90", ".jl", ".m", ".r"),
    *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".eps", ".tif", ".tiff", ".mp4"),
    *(".npy", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".safetensors"),
)
_LOOKED_AT = 1 << 16  # letters
# One of these is in whatever the pattern below finds, and found much faster.
_WORDS = (
    *("atom_site", "cell_length_a", "atomic_positions", "cell_parameters", "lattice"),
    *("crystal axes:", "atomiccoordinates", "primvec", "acell", "rprim", "xred"),
    *("znucl", "xlo", "box bounds", "cryst1", "varray"),
)
_STRUCTURE = re.compile(
    r"""^[ \t]*(?:
        _(?:atom_site[_.](?:fract|cartn)_x|cell[_.]length_a)\b       # CIF
        |(?:atomic_positions|cell_parameters)\b                      # Quantum ESPRESSO
        |(?:crystal[ ]axes:|lattice[ ]parameter[ ]\(alat\))
        |\|?[ \t]*lattice_vector[ \t]+[-\d.]                         # FHI-aims
        |%block[ \t]+(?:lattice_?(?:cart|abc|vectors|parameters)|atomiccoordinates)
        |real[ ]lattice\(a\)                                         # CASTEP
        |primvec\b                                                   # XSF
        |(?:acell|rprim|xred|znucl)\b.*\d                            # ABINIT
        |[-+\d.e]+[ \t]+[-+\d.e]+[ \t]+xlo[ \t]+xhi\b                # LAMMPS
        |item:[ ]box[ ]bounds
        |cryst1[ ]+\d
        |<varray[ ]+name="basis"
    )|\A\s*\d+[ \t]*\n[^\n]*\blattice[ ]*=[ ]*["']""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)


def odd_files(place: Place, read: Collection[str]) -> list[str]:
    """Return the files with structures that would be passed over in silence.

    They are to be read like files that are named one by one, which says of each why it
    is none, or what name it needs.

    Args:
        place: Folder or archive.
        read: Files that are read anyway.
    """
    runs = {dirname(name) for name in place.files if basename(name) == "geometry.in"}
    odd = [
        name
        for name in place.files
        if name not in read
        and not _has_its_reader(name)
        and not (dirname(name) in runs and name.endswith(".out"))  # of FHI-aims
        and _is_odd(place, name)
    ]
    return [name for name in without_records([*read, *odd]) if name not in read]


def _has_its_reader(name: str) -> bool:
    kinds = (is_structure_file, is_frame_file, is_table, is_document, is_archive)
    return any(is_kind(name) for is_kind in kinds)


def _is_odd(place: Place, name: str) -> bool:
    plain = basename(uncompressed(name)).lower()
    if splitext(plain)[1] in ODD_ENDINGS:
        return True
    if plain.startswith(_OTHERS) or splitext(plain)[1] in _OTHERS:
        return False
    file = TextFile(place.origin(name), partial(place.open, name), basename(name))
    text = beginning(file)[:_LOOKED_AT]
    is_poscar = is_head(text.split("\n", HEADER_LINES)[:HEADER_LINES])
    lower = text.lower()
    has_word = any(word in lower for word in _WORDS)
    return is_poscar or (has_word and _STRUCTURE.search(text) is not None)
