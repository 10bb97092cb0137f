"""Formats beside CIF: crystals counted by hand, and what is no crystal."""

import pytest

CSCL = ("CsCl", 2, 4.123**3, 3.5706)

CELL = """%BLOCK LATTICE_ABC
UNIT
LENGTHS
90 90 90
%ENDBLOCK LATTICE_ABC
%BLOCK POSITIONS_FRAC
Cs 0 0 0
Cl 0.5 0.5 0.5
%ENDBLOCK POSITIONS_FRAC
"""
XSF = """CRYSTAL
PRIMVEC
4.123 0 0
0 4.123 0
0 0 4.123
PRIMCOORD
2 1
55 0 0 0
17 2.0615 2.0615 2.0615
"""
AIMS = """lattice_vector 4.123 0 0
lattice_vector 0 4.123 0
lattice_vector 0 0 4.123
atom 0 0 0 Cs
atom_frac 0.5 0.5 0.5 Cl
"""
DUMP = """ITEM: UNITS
metal
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
1 5.123
0 4.123
0 4.123
ITEM: ATOMS id element x y z
2 Cl 3.0615 2.0615 2.0615
1 Cs 1 0 0
"""
XDATCAR = """CsCl
1.0
4.123 0 0
0 4.123 0
0 0 4.123
Cs Cl
1 1
Direct configuration= 1
0 0 0
0.5 0.5 0.5
"""
PWI = """&system
 ibrav = 0, nat = 2, ntyp = 2
/
ATOMIC_SPECIES
Cs 132.9 Cs.upf
Cl 35.45 Cl.upf
CELL_PARAMETERS angstrom
4.123 0 0
0 4.123 0
0 0 4.123
ATOMIC_POSITIONS crystal
Cs 0 0 0
Cl 0.5 0.5 0.5
"""


# Vectors in units of the length that &system states.
PWI_OF_A = PWI.replace("CELL_PARAMETERS angstrom", "CELL_PARAMETERS").replace(
    "4.123", "1.0"
)
XYZ = """2
pbc="T T T" lattice="4.123 0 0 0 4.123 0 0 0 4.123" properties=species:s:1:pos:r:3
Cs 0 0 0
Cl 2.0615 2.0615 2.0615
"""


def pwi(settings, text=PWI_OF_A):
    return text.replace("ntyp = 2", f"ntyp = 2, {settings}")


def cell(unit, length):
    return CELL.replace("UNIT", unit).replace("LENGTHS", " ".join([length] * 3))


RIGHT = {
    "cell in angstrom": ("a.cell", cell("ang", "4.123")),
    "cell in bohr": ("a.cell", cell("bohr", "7.791340")),
    "cell in a0": ("a.cell", cell("a0", "7.791340")),
    "cell in nm": ("a.cell", cell("nm", "0.4123")),
    "xsf": ("a.xsf", XSF),
    "aims": ("geometry.in", AIMS),
    "dump with a shifted box": ("a.lammpstrj", DUMP),
    "xdatcar": ("XDATCAR", XDATCAR),
    "dump with a box of any vectors": (
        "a.lammpstrj",
        DUMP.replace("BOUNDS pp", "BOUNDS abc origin pp")
        .replace("1 5.123", "4.123 0 0 1")
        .replace("0 4.123\n0 4.123", "0 4.123 0 0\n0 0 4.123 0"),
    ),
    "xdatcar with a title like a frame": (
        "XDATCAR",
        XDATCAR.replace("CsCl", "Direct from the run"),
    ),
    "input of pw.x": ("a.pwi", PWI),
    "pw.x with A": ("a.pwi", pwi("A = 4.123d0")),
    "pw.x with a on its line": ("a.pwi", pwi("\n a=4.123 ! A = 3")),
    "pw.x with A in alat": (
        "a.pwi",
        pwi("A = 4.123").replace("CELL_PARAMETERS", "CELL_PARAMETERS {alat}"),
    ),
    "pw.x with celldm": ("a.pwi", pwi("celldm=7.791340")),
    "pw.x with celldm( 1 )": ("a.pwi", pwi("celldm( 1 ) = 7.791340")),
    "pw.x with A in title and remarks": (
        "a.pwi",
        "&control\n title = 'CsCl, a = 9', prefix = 'a = b'\n/\n"
        + pwi("\n# a = 9\n! A = x\n A = 4.123\n"),
    ),
    "pw.x with A beside angstrom": ("a.pwi", pwi("A = 3", PWI)),
    "pw.x with celldm(1) beside angstrom": ("a.pwi", pwi("celldm(1)=3", PWI)),
    "pw.x with a remark behind A": ("a.pwi", pwi("\n A=4.123 # lattice\n # A = 3\n")),
    "pw.x with celldm and a title": (
        "a.pwi",
        "&control\n title = 'CsCl, a = 4.1'\n/\n" + pwi("celldm(1) = 7.791340"),
    ),
    "pw.x in bohr": ("a.pwi", PWI_OF_A.replace("1.0", "7.791340")),
    "pw.x with exponents of Fortran": (
        "a.pwi",
        pwi("celldm(1) = 7.791340d0")
        .replace("132.9", "132.9d0")
        .replace("1.0 0 0", "1.0d0 0 0")
        .replace("0.5 0.5 0.5", "0.5d0 5.0D-1 +.5d+0"),
    ),
    "pw.x with remarks behind its rows": (
        "a.pwi",
        PWI.replace("Cs.upf", "Cs.upf ! heavy")
        .replace("angstrom", "angstrom ! not in bohr")
        .replace("4.123 0 0", "4.123 0 0 # a")
        .replace("Cs 0 0 0", "Cs 0 0 0 ! at the corner")
        .replace("0.5 0.5 0.5", "0.5 0.5 0.5 # in the centre"),
    ),
    "pw.x that assumes no isolation": ("a.pwi", pwi("assume_isolated = 'none'", PWI)),
    "cards in small letters": (
        "a.pwi",
        PWI.replace("CELL_P", "cell_p").replace("ATOMIC_", "atomic_"),
    ),
    "species with numbers": (
        "a.cell",
        cell("ang", "4.123").replace("Cs 0", "cs1 0").replace("Cl 0", "CL:a 0"),
    ),
    "keys of xyz in small letters": ("a.xyz", XYZ),
    "key of xyz within a remark": (
        "a.xyz",
        XYZ.replace("pbc", 'comment="Lattice = fcc" primitive-Lattice="1 0 0" pbc'),
    ),
    "key of xyz in quotes": ("a.xyz", XYZ.replace("properties=", '"Properties"=')),
    "values of one's own in small letters": (
        "a.xyz",
        XYZ.replace("lattice", "Lattice")
        .replace("properties", "Properties")
        .replace("pos:r:3", "pos:r:3 lattice=bcc properties=optical kind=a:s:1"),
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_crystal(judge, case):
    judge(*RIGHT[case], CSCL)


BISMUTH = """%BLOCK LATTICE_ABC
4.7459 4.7459 4.7459
57.24 57.24 57.24
%ENDBLOCK LATTICE_ABC
%BLOCK POSITIONS_ABS
Bi 2.31133 1.26122 0.87403
Bi -2.31133 -1.26122 -0.87403
%ENDBLOCK POSITIONS_ABS
"""


def test_positions_in_the_axes_of_lengths_and_angles(judge):
    """The vector a lies along x, and b in the plane of x and y."""
    judge("a.cell", BISMUTH, ("Bi", 2, 70.78, 3.071))


GAN = """GaN
SCALE
1 0 0
-0.5 0.8660254038 0
0 0 1.62664577
Ga N
2 2
Cartesian
0.00000000 0.57735027 0.00000000
0.50000000 0.28867513 0.81332288
0.00000000 0.57735027 0.61324545
0.50000000 0.28867513 1.42656834
"""


@pytest.mark.parametrize("scale", ["-45.729417", "3.19", "3.19 3.19 3.19"])
def test_scale_is_of_cell_and_cartesian_positions(judge, scale):
    judge("POSCAR", GAN.replace("SCALE", scale), ("GaN", 4, 45.7294, 1.949))


WRONG = {
    "symbols against counts": (
        "POSCAR",
        GAN.replace("SCALE", "1").replace("Ga N", "Ga Al N"),
        "3 elements .* but 2 numbers of atoms",
    ),
    "unknown unit": ("a.cell", cell("furlong", "1"), "unknown unit of length"),
    "ghost atom": ("a.xsf", XSF.replace("55 0", "255 0"), "'255' is not a chemical"),
    "slab in xsf": ("a.xsf", XSF.replace("CRYSTAL", "SLAB"), "a molecule or slab"),
    "molecule of aims": ("geometry.in", "atom 0 0 0 H\n", "a molecule or slab"),
    # Of which numpy.linalg.pinv never returns.
    "endless cell of aims": (
        "geometry.in",
        AIMS.replace("vector 4.123", "vector inf"),
        "lattice vectors are not finite numbers",
    ),
    "flat cell of aims": (
        "geometry.in",
        AIMS.replace("vector 4.123", "vector 0"),
        "the cell has no volume",
    ),
    "types without elements": (
        "a.lammpstrj",
        DUMP.replace("id element", "id type"),
        "its types name no elements",
    ),
    "lattice number": (
        "a.pwi",
        PWI.replace("ibrav = 0", "ibrav = 2"),
        "gives its cell as ibrav = 2",
    ),
    "two lengths of a lattice": (
        "a.pwi",
        pwi("A = 4.123, celldm(1) = 7.79"),
        r"gives both celldm\(1\) and A, expected one of them",
    ),
    "positions in another unit of length than the cell": (
        "a.pwi",
        pwi("A = 4.123", PWI).replace("POSITIONS crystal", "POSITIONS alat"),
        "gives positions in alat, and the cell in another unit",
    ),
    "length that is no number": (
        "a.pwi",
        pwi("A = alat"),
        "A is 'alat', expected a number of angstrom; correct it",
    ),
    "isolated": ("a.pwi", pwi("assume_isolated=' 2D'", PWI), "a molecule or slab"),
    "impossible angles": (
        "a.cell",
        cell("ang", "4.123").replace("90 90 90", "20 20 90"),
        "a.cell: no cell has the angles 20 20 90; correct them",
    ),
    "pdb": ("a.pdb", "CRYST1\n", r"\.pdb is not a format that is read"),
    "gro": ("a.gro", "salt\n", r"\.gro is not a format that is read"),
    "cssr": ("a.cssr", "5 5 5\n", r"\.cssr is not a format that is read"),
    "xsd": ("a.xsd", "<XSD/>\n", r"\.xsd is not a format that is read"),
    "res": ("a.res", "TITL\n", r"\.res is not a format that is read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_reason(judge, case):
    judge(*WRONG[case])


def test_whole_frames_of_a_run_that_was_killed_are_read(tmp_path, read):
    path = tmp_path / "a.lammpstrj"
    path.write_text(DUMP * 2 + DUMP[:90])
    outcome = read(path)
    assert len(outcome.records) == 2
    assert len(outcome.reasons) == 1
