"""xyz files, trajectories and databases: damaged, odd, or unusual and right."""

import io
import sqlite3
import warnings

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms

LATTICE = 'Lattice="4.123 0 0 0 4.123 0 0 0 4.123"'
EXTXYZ = f"""2
{LATTICE} Properties=species:S:1:pos:R:3 gap=5.5 pbc="T T T"
Cs 0 0 0
Cl 2.0615 2.0615 2.0615
"""
OK = ("CsCl", 2, 4.123**3, 3.5706)
CSCL = Atoms("CsCl", [[0, 0, 0], [2.0615] * 3], cell=[4.123] * 3, pbc=True)


def traj(atoms):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ase.io.write(file, atoms, format="traj")
    return file.getvalue()


def changed(**changes):
    atoms = CSCL.copy()
    for name, value in changes.items():
        setattr(atoms, name, value)
    return atoms


def at(*positions):
    return changed(positions=np.array(positions, dtype=float))


def text(old, new):
    return EXTXYZ.replace(old, new)


RIGHT = {
    "plain": (EXTXYZ, OK),
    "windows ends of lines": (EXTXYZ.replace("\n", "\r\n"), OK),
    "no pbc means periodic": (text(' pbc="T T T"', ""), OK),
    "coordinates outside the cell": (text("Cs 0 0 0", "Cs 412.3 0 -41.23"), OK),
    "left-handed cell": (
        text(LATTICE, 'Lattice="0 4.123 0 4.123 0 0 0 0 4.123"'),
        OK,
    ),
    "deuterium": (text("Cs", "D"), ("HCl", 2, 4.123**3)),
    "unicode in a comment": (text("gap=5.5", 'note="Ångström" gap=5.5'), OK),
    "slab with 100 A of vacuum": (
        text(LATTICE, 'Lattice="4.123 0 0 0 4.123 0 0 0 104.123"'),
        ("CsCl", 2, 4.123**2 * 104.123, 3.5706),
    ),
    "cell of 1,000 A": (
        text(LATTICE, 'Lattice="1000 0 0 0 1000 0 0 0 1000"'),
        ("CsCl", 2, 1e9, 3.5706),
    ),
}


@pytest.mark.parametrize("case", RIGHT)
@pytest.mark.parametrize("name", ["a.extxyz", "b.xyz"])
def test_right_crystal(judge, case, name):
    judge(name, *RIGHT[case])


WRONG = {
    "empty": ("", "the file is empty"),
    "blanks": (" \n\n", "holds no structure|empty|damaged"),
    "truncated": (EXTXYZ[:-30], "damaged, truncated"),
    "truncated in the second line": (EXTXYZ[:20], "damaged, truncated"),
    "not UTF-8": (text("gap", "g\xe4p").encode("latin-1"), "damaged|not UTF-8"),
    "UTF-16": (EXTXYZ.encode("utf-16"), "damaged|not UTF-8|NUL"),
    "NULs": (b"\0" * 300, "NUL in line 1"),
    "molecule": ("2\n\nH 0 0 0\nF 0 0 0.92\n", "molecule or slab without"),
    "slab": (text("T T T", "T T F"), "molecule or slab without .*True True False"),
    "no cell": (text(LATTICE, ""), "molecule or slab|no cell|damaged"),
    "cell of zero": (text("0 0 4.123", "0 0 0"), "no cell with a volume"),
    "flat cell": (
        text(LATTICE, 'Lattice="4 0 0 0 4 0 4 4 0"'),
        "no cell with a volume",
    ),
    "cell of nan": (text("0 0 4.123", "0 0 nan"), "not finite"),
    "cell of 0.1 A": (text(LATTICE, 'Lattice=".1 0 0 0 .1 0 0 0 .1"'), "no volume"),
    "coordinate nan": (text("Cs 0 0 0", "Cs 0 nan 0"), "not finite"),
    "coordinate inf": (text("Cs 0 0 0", "Cs 0 0 -inf"), "not finite"),
    "coordinate of 1e300": (text("Cs 0 0 0", "Cs 1e300 0 0"), "can be meant"),
    "coordinate as text": (text("Cs 0 0 0", "Cs here 0 0"), "damaged"),
    "unknown element": (text("Cs", "Qq"), "unknown name 'Qq'|damaged"),
    "dummy atom": (text("Cs", "X"), "not a chemical element"),
    "two atoms in one place": (text("Cs 0 0 0", "Cs 2.0615 2.0615 2.0615"), "are 0 A"),
    "atoms 0.4 A apart": (text("Cs 0 0 0", "Cs 2.0615 2.0615 2.4615"), "0.4 A apart"),
    "atoms close over the edge": (
        text("Cs 0 0 0", "Cs 2.0615 2.0615 -2.0515"),
        "0.01 A apart",
    ),
    "negative number of atoms": (text("2\n", "-2\n"), "damaged|no structure|no atoms"),
    "number of atoms as text": (text("2\n", "two\n"), "damaged"),
    "more atoms than lines": (text("2\n", "9\n"), "damaged"),
    "no atoms": (f'0\n{LATTICE} pbc="T T T"\n', "no atoms|damaged|no structure"),
}


@pytest.mark.parametrize("case", WRONG)
def test_reason(judge, case):
    judge("a.extxyz", *WRONG[case])


def numbered(numbers, column="Z", kind="I", species="species"):
    """Return caesium chloride with atomic numbers in a column of their own."""
    names = text("species:S:1:pos:R:3", f"{species}:S:1:pos:R:3:{column}:{kind}:1")
    caesium, chlorine = numbers
    return names.replace("Cs 0 0 0", f"Cs 0 0 0 {caesium}").replace(
        "Cl 2.0615 2.0615 2.0615", f"Cl 2.0615 2.0615 2.0615 {chlorine}"
    )


@pytest.mark.parametrize(
    ("numbers", "column", "kind", "species"),
    [((55, 17), "Z", "I", "species"), ((55.0, 17.0), "Z", "R", "species"),
     ((55, 17), "numbers", "I", "symbols"), ((3, 4), "z", "I", "species"),
     ((55, 17), "atomic_numbers", "I", "species")],
)  # fmt: skip
def test_columns_of_elements_that_agree_are_read(judge, numbers, column, kind, species):
    content = numbered(numbers, column, kind, species)
    judge("a.extxyz", content, OK)


@pytest.mark.parametrize(
    ("numbers", "column", "kind", "reason"),
    [((11, 17), "Z", "I", "atom 1 is Cs by the column 'species' but of the atomic"
      " number 11 by another; correct or remove one"),
     ((55, 9), "Z", "R", "atom 2 is Cl by the column 'species' but .* number 9 by"),
     ((11, 17), "numbers", "I", "atom 1 is Cs by the column 'species' but"),
     ((11, 17), "atomic_numbers", "I", "atom 1 is 11 by the column 'atomic_numbers'")],
)  # fmt: skip
def test_columns_of_elements_that_contradict_are_refused(
    judge, numbers, column, kind, reason
):
    judge("a.extxyz", numbered(numbers, column, kind), f"frame 0: {reason}")


TRAJECTORIES = {
    "plain": (traj(CSCL), OK),
    "empty": (b"", "the file is empty"),
    "truncated": (traj(CSCL)[:-100], "damaged"),
    "header alone": (traj(CSCL)[:16], "damaged"),
    "other bytes": (b"- of Ulm" + bytes(200), "damaged|no structure"),
    "molecule": (traj(changed(pbc=False)), "molecule or slab"),
    "coordinate nan": (traj(at([0, np.nan, 0], [2, 2, 2])), "not finite"),
    "coordinate inf": (traj(at([0, np.inf, 0], [2, 2, 2])), "not finite"),
    "two atoms in one place": (traj(at([0, 0, 0], [0, 0, 4.123])), "apart"),
    "dummy atom": (traj(changed(numbers=[0, 17])), "not a chemical element"),
    "no atoms": (traj(Atoms(cell=[4] * 3, pbc=True)), "no atoms|damaged"),
    "no cell": (traj(changed(cell=np.zeros((3, 3)))), "no cell with a volume"),
}


@pytest.mark.parametrize("case", TRAJECTORIES)
def test_trajectory(judge, case):
    judge("a.traj", *TRAJECTORIES[case])


DATABASES = {
    "plain": (CSCL, OK),
    "molecule": (changed(pbc=False), "molecule or slab"),
    "coordinate nan": (at([0, np.nan, 0], [2, 2, 2]), "not finite"),
    "two atoms in one place": (at([0, 0, 0], [0, 0, 4.123]), "apart"),
    "dummy atom": (changed(numbers=[0, 17]), "not a chemical element"),
    "no cell": (changed(cell=np.zeros((3, 3))), "no cell with a volume"),
    "no atoms": (Atoms(cell=[4] * 3, pbc=True), "no atoms"),
}


@pytest.mark.parametrize("case", DATABASES)
@pytest.mark.parametrize("name", ["made.db", "made.json"])
def test_row_of_a_database(tmp_path, judge, case, name):
    atoms, expected = DATABASES[case]
    path = tmp_path / "new" / name
    path.parent.mkdir()
    with ase.db.connect(path) as database:
        database.write(atoms, gap=1.0)
    judge(name, path.read_bytes(), expected)


def test_database_without_rows_says_so(tmp_path, read):
    with ase.db.connect(tmp_path / "a.db") as database:
        del database[database.write(CSCL)]
    assert "holds no structure" in read(tmp_path / "a.db").reasons[0]


def test_damaged_databases_say_so(tmp_path, judge):
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("create table notes (text)")
    database.close()
    content = (tmp_path / "other.db").read_bytes()
    judge("a.db", content, "an SQLite file but no database of ASE")
    judge("b.db", content[:1000], "damaged, truncated or of another format")
    judge("c.db", b"SQLite format 3\0" + bytes(500), "damaged, truncated or of another")


@pytest.mark.parametrize(
    ("gap", "reason"),
    [("", "missing"), ("gap=metal", "not a number"), ("gap=inf", "not finite"),
     ("gap=nan", "not finite"), ("gap=1e30", "too large")],
)  # fmt: skip
def test_frame_with_a_bad_target_among_good_ones(tmp_path, read, gap, reason):
    (tmp_path / "a.extxyz").write_text(EXTXYZ + text("gap=5.5", gap) + EXTXYZ)
    outcome = read(tmp_path / "a.extxyz", ("gap",))
    assert [record.id for record in outcome.records] == ["a@0", "a@2"]
    assert len(outcome.reasons) == 1
    assert reason in outcome.reasons[0]


def test_frames_with_one_id_keep_the_first(tmp_path, read):
    (tmp_path / "a.extxyz").write_text(text("gap", "material_id=mp1 gap") * 2)
    outcome = read(tmp_path / "a.extxyz")
    assert [record.id for record in outcome.records] == ["mp1"]
    assert "the id 'mp1' is already used" in outcome.reasons[0]
