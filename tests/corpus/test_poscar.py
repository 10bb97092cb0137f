"""POSCAR files: damaged, odd, or unusual and right."""

import pytest

POSCAR = """CsCl
1.0
4.123 0 0
0 4.123 0
0 0 4.123
Cs Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
SECOND = """MgO
2.105
0 1 1
1 0 1
1 1 0
Mg O
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
CELL = "4.123 0 0\n0 4.123 0\n0 0 4.123\n"
MOVING = "0.1 0.2 0.3\n" * 3
OK = ("CsCl", 2, 4.123**3, 3.5706)


def lattice(*rows):
    lines = POSCAR.splitlines()
    return "\n".join([*lines[:2], *rows, *lines[5:]]) + "\n"


RIGHT = {
    "plain": (POSCAR, OK),
    "scale": (lattice("1 0 0", "0 1 0", "0 0 1").replace("1.0", "4.123"), OK),
    "volume as a negative scale": (
        lattice("1 0 0", "0 1 0", "0 0 1").replace("1.0", "-70.0874"),
        OK,
    ),
    "Cartesian": (
        POSCAR.replace("Direct", "Cartesian").replace("0.5 0.5 0.5", "2.0615 " * 3),
        OK,
    ),
    "selective dynamics": (
        POSCAR.replace("Direct", "Selective dynamics\nDirect")
        .replace("0 0 0\n0.5 0.5 0.5", "0 0 0 T T F\n0.5 0.5 0.5 F F F"),
        OK,
    ),
    "velocities": (POSCAR + "\n0.1 0.2 0.3\n0.1 0.1 0.1\n", OK),
    "velocities and what VASP writes to go on from": (
        f"{POSCAR}Lattice velocities and vectors\n  1\n{MOVING}{CELL}\n0 0 0\n0 0 0\n\n"
        f"1\n0.1E+01\n0. 0. 0. 0.\n{MOVING}{MOVING}",
        OK,
    ),
    "numbers behind a remark": (
        f"{POSCAR}comment\n1\n1 0 0\n0 1 0\n0 0 1\n2 2 2\n",
        OK,
    ),
    "words and numbers behind a remark": (
        f"{POSCAR}comment\n1\n1 0 0\n0 1 0\n0 0 1\nmesh of k\n2 2 2\ncomment\n",
        OK,
    ),
    "velocities of whole numbers": (POSCAR + "\n" + "1 1 1\n" * 20, OK),
    "windows ends of lines": (POSCAR.replace("\n", "\r\n"), OK),
    "byte order mark": (b"\xef\xbb\xbf" + POSCAR.encode(), OK),
    "unicode in the comment": (POSCAR.replace("CsCl\n", "Ångström 中文\n", 1), OK),
    "left-handed cell": (lattice("0 4.123 0", "4.123 0 0", "0 0 4.123"), OK),
    "skewed cell": (lattice("4.123 0 0", "412.3 4.123 0", "0 0 4.123"), None),
    "slab with 100 A of vacuum": (
        lattice("4.123 0 0", "0 4.123 0", "0 0 104.123"),
        ("CsCl", 2, 4.123**2 * 104.123),
    ),
    "cell of 1,000 A": (
        lattice("1000 0 0", "0 1000 0", "0 0 1000"),
        ("CsCl", 2, 1e9),
    ),
    "element given in two groups": (
        POSCAR.replace("Cs Cl\n1 1", "Cs Cl Cs\n1 1 1") + "0.5 0 0\n",
        ("Cs2Cl", 3, 4.123**3, 2.0615),
    ),
    "deuterium": (
        POSCAR.replace("Cs Cl", "Li D"),
        ("LiH", 2, 4.123**3),
    ),
    "many digits": (POSCAR.replace("0.5 0.5 0.5", f"0.5{'0' * 60} .5 5e-1"), OK),
}  # fmt: skip


@pytest.mark.parametrize("case", [k for k, v in RIGHT.items() if v[1]])
@pytest.mark.parametrize("name", ["POSCAR", "a.vasp"])
def test_right_crystal(judge, case, name):
    judge(name, *RIGHT[case])


def test_skewed_cell_is_the_same_crystal(judge):
    text = RIGHT["skewed cell"][0].replace("0.5 0.5 0.5", "-49.5 0.5 0.5")
    judge("CONTCAR", text, ("CsCl", 2, 4.123**3))


WRONG = {
    "empty": ("", "the file is empty"),
    "blanks": ("\n\n\n\n\n\n\n\n\n", "the file is empty"),
    "truncated in the cell": ("CsCl\n1.0\n4 0 0\n", "damaged, truncated"),
    "truncated in the atoms": (POSCAR[:-14], "damaged or truncated"),
    "not UTF-8": (POSCAR.encode().replace(b"CsCl", b"C\xe4s"), "not UTF-8"),
    "UTF-16": (POSCAR.encode("utf-16-le"), "NUL in line 1"),
    "no elements": (POSCAR.replace("Cs Cl\n", ""), "names no elements"),
    "unknown element": (POSCAR.replace("Cs Cl", "Cs Qq"), "'Qq.*' is not a chemical"),
    "dummy atom": (POSCAR.replace("Cs Cl", "Cs X"), "not a chemical element"),
    "no atoms": (POSCAR.replace("\n1 1\n", "\n0 0\n"), "no atoms|damaged"),
    "negative number of atoms": (POSCAR.replace("\n1 1", "\n1 -1"), "damaged"),
    "scale of zero": (POSCAR.replace("1.0", "0.0"), "no volume|damaged"),
    "scale of nan": (POSCAR.replace("1.0", "nan"), "not finite|damaged"),
    "cell of zero": (lattice("0 0 0", "0 4 0", "0 0 4"), "no volume"),
    "flat cell": (lattice("4 0 0", "0 4 0", "4 4 0"), "no volume"),
    "cell of inf": (lattice("inf 0 0", "0 4 0", "0 0 4"), "not finite|damaged"),
    "cell of 0.1 A": (lattice("0.1 0 0", "0 0.1 0", "0 0 0.1"), "no volume"),
    "cell in metres": (lattice("4e10 0 0", "0 4e10 0", "0 0 4e10"), "longer than 1000"),
    "coordinate nan": (POSCAR.replace("0.5 0.5 0.5", "0.5 nan 0.5"), "not finite"),
    "coordinate inf": (POSCAR.replace("0.5 0.5 0.5", "0.5 -inf 0.5"), "not finite"),
    "coordinate of 1e300": (POSCAR.replace("0.5 0.5", "1e300 0.5"), "can be meant"),
    "coordinate as text": (POSCAR.replace("0.5 0.5", "half 0.5"), "damaged"),
    "two atoms in one place": (POSCAR.replace("0.5 0.5 0.5", "1 0 0"), "are 0 A apart"),
    "atoms 0.3 A apart": (POSCAR.replace("0.5 0.5 0.5", "0 .075 0"), "0.309 A apart"),
    "more positions than atoms": (POSCAR + "0 0 0.5\n", "more positions than the 2 at"),
    "another behind it": (POSCAR + SECOND, "another POSCAR, 'MgO', begins in line 11;"),
    "another behind velocities": (
        f"{POSCAR}\n0.1 0.2 0.3\n0.1 0.1 0.1\n\n{SECOND}",
        "begins in line 15; give each crystal a file of its own, or write them as ext",
    ),
    "another without elements": (
        POSCAR + SECOND.replace("Mg O\n", ""),
        "another POSCAR, 'MgO', begins in line 11; give each",
    ),
    "another of no element": (
        POSCAR + SECOND.replace("Mg O\n", "Qq Xx\n"),
        "another POSCAR, 'MgO', begins in line 11; give each",
    ),
    "a CIF under this name": ("data_x\n_cell_length_a 3\n", "damaged"),
    "a gigabyte of atoms": (
        POSCAR.replace("\n1 1", "\n999999999 1"),
        "says 1000000000 atoms",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_reason(judge, case):
    judge("POSCAR", *WRONG[case])


def test_ten_thousand_sites_are_read_and_encoded_as_a_sphere(judge):
    count, step = 10_000, 1 / 22
    places = [(i % 22, i // 22 % 22, i // 484) for i in range(count)]
    rows = "\n".join(f"{x * step} {y * step} {z * step}" for x, y, z in places)
    cell = "66 0 0\n0 66 0\n0 0 66"
    text = f"Cu\n1.0\n{cell}\nCu\n{count}\nDirect\n{rows}\n"
    judge("POSCAR", text, ("Cu", count, 66.0**3))
