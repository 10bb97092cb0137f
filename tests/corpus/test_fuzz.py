"""Real files of every format, edited at random: nothing escapes but our own errors."""

import io
import json
import random
import signal
import warnings
from contextlib import suppress
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from pyg_sitenet.data.structure.border import reading
from pyg_sitenet.data.structure.check import check_structure
from pyg_sitenet.data.structure.formats import FORMATS, format_of, read_pieces
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import SiteNetError, StructureError

# 30 times 1,000 edits.
NUM_ROUNDS, NUM_EDITS = 30, 1000
LIMIT = 120  # seconds, for a single edit
FOLDER = Path(__file__).parent
RUTILE = Structure(
    Lattice.tetragonal(4.594, 2.959),
    ["Ti", "Ti", "O", "O", "O", "O"],
    [
        *([0, 0, 0], [0.5, 0.5, 0.5], [0.305, 0.305, 0]),
        *([0.695, 0.695, 0], [0.195, 0.805, 0.5], [0.805, 0.195, 0.5]),
    ],
)
# What readers treat in ways of their own, in place of any word of a text.
TOKENS = (
    *("nan", "inf", "-1", "0", "1e999", "1e-320", "9" * 30, "0x1F", "1_0", "\u0661"),
    *("?", ".", "loop_", "data_", "'", '"', ";", "#", "{", "[", "]", "null", "x,y,z"),
    *("-x,y,1/0", "Xx", "D", "H2O", "Fe3+", "1/0", "\t", "\x00", "\ufeff", "%BLOCK"),
    *("T", "[[1,2],[3]]", "Lattice=", "pbc=1", "true", "-0.0", "1d400", ""),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, bytes]:
    """Return a name and the content of files of every format."""
    folder = tmp_path_factory.mktemp("files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the writers
        write_files(folder)
    paths = [
        *folder.iterdir(),
        *FOLDER.glob("cif/*.cif"),
        *FOLDER.rglob("formats/**/*"),
    ]
    return {
        path.name if path.name != "POSCAR" else f"{path.parent.name}/POSCAR": (
            path.read_bytes()
        )
        for path in paths
        if path.is_file()
    }


def write_files(folder):
    """Write a file of each format that another program writes."""
    atoms = AseAtomsAdaptor.get_atoms(RUTILE)
    ase.io.write(folder / "a.traj", [atoms, atoms])
    ase.io.write(folder / "a.extxyz", [atoms, atoms])
    ase.io.write(folder / "geometry.in", atoms)
    ase.io.write(folder / "XDATCAR", [atoms, atoms], format="vasp-xdatcar")
    ase.io.write(folder / "a.xsf", atoms)
    potentials = {"Ti": "Ti.upf", "O": "O.upf"}
    text = io.StringIO()
    ase.io.write(text, atoms, format="espresso-in", pseudopotentials=potentials)
    (folder / "a.pwi").write_text(text.getvalue())
    for name in ("a.db", "b.json"):
        with ase.db.connect(folder / name) as database:
            database.write(atoms, gap=1.0)
    (folder / "c.json").write_text(json.dumps(RUTILE.as_dict()))
    (folder / "POSCAR").write_text(RUTILE.to(fmt="poscar"))
    (folder / "a.yaml").write_text(RUTILE.to(fmt="yaml"))
    (folder / "a.mson").write_text(json.dumps(RUTILE.as_dict()))
    (folder / "a.cif").write_text(RUTILE.to(fmt="cif", symprec=0.01))
    (folder / "a.pwo").write_text(OUTPUT)


OUTPUT = """     Program PWSCF v.7.2 starts on  1Jan2024 at  0: 0: 0
     lattice parameter (alat)  =       7.7913  a.u.
     number of atoms/cell      =            2
     number of atomic types    =            2
     celldm(1)=   7.791340  celldm(2)=   0.000000  celldm(3)=   0.000000
     crystal axes: (cart. coord. in units of alat)
               a(1) = (   1.000000   0.000000   0.000000 )
               a(2) = (   0.000000   1.000000   0.000000 )
               a(3) = (   0.000000   0.000000   1.000000 )
     site n.     atom                  positions (alat units)
         1           Cs  tau(   1) = (   0.0000000   0.0000000   0.0000000  )
         2           Cl  tau(   2) = (   0.5000000   0.5000000   0.5000000  )
!    total energy              =    -100.00000000 Ry
"""


def test_every_format_is_edited(files):
    titles = {entry.title for name in files if (entry := format_of(name))}
    assert titles == {entry.title for entry in FORMATS}


def edited(content: bytes, rng: random.Random) -> bytes:
    """Return a file after one to three edits."""
    for _ in range(rng.randint(1, 3)):
        content = rng.choice(EDITS)(content, rng)
    return content


def flip(content, rng):
    changed = bytearray(content or b"\0")
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def delete(content, rng):
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.randint(1, 40) :]


def cut(content, rng):
    return content[: rng.randrange(len(content) + 1)]


def swap(content, rng):
    lines = content.split(b"\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def repeat(content, rng):
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    return b"\n".join(lines[:place] + [lines[place]] * 2 + lines[place + 1 :])


def replace(content, rng):
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(TOKENS).encode()
    return b" ".join(words)


EDITS = (flip, delete, cut, swap, repeat, replace, replace)


def read_all(name, content, folder):
    """Read what a file holds; only our own errors are passed over."""
    source = TextFile.of(content, name, name)
    if name.endswith(".db"):
        source = folder / name
        source.write_bytes(content)
    with suppress(SiteNetError):
        pieces = read_pieces(source)
        while True:
            try:
                read_one(next(pieces))
            except StopIteration:
                return
            except StructureError:
                continue


def read_one(piece):
    with reading(piece.origin):
        held = piece.read()
        if isinstance(held, Structure):
            check_structure(held, piece.origin, disordered=True)
    if not isinstance(held, Structure):
        load_structure(held, disordered=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(NUM_ROUNDS))
def test_no_edit_of_a_file_ends_a_run(tmp_path, files, number):
    rng = random.Random(number)
    names = sorted(files)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for edit in range(NUM_EDITS):
            name = rng.choice(names)
            content = edited(files[name], rng)
            signal.alarm(LIMIT)  # of the fixture that fails what hangs
            try:
                read_all(name, content, tmp_path)
            except Exception as error:
                raise AssertionError(f"round {number}, edit {edit}: {name}") from error
