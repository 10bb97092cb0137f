"""CIFs of the kinds that public reports are about, each with its hand-counted crystal.

Those that :mod:`test_cif_reports` has from the reports themselves are not repeated.
"""

import warnings

import gemmi
import numpy as np
import pytest

from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import SiteNetWarning, StructureError

SITE = "label type_symbol fract_x fract_y fract_z"
HM = "_space_group_name_H-M_alt"
SHARED = f"{SITE} occupancy"


def cell(*sizes):
    names = [
        *(f"length_{x}" for x in "abc"),
        "angle_alpha",
        "angle_beta",
        "angle_gamma",
    ]
    pairs = zip(names, sizes, strict=True)
    return "data_x\n" + "".join(f"_cell_{name} {size}\n" for name, size in pairs)


def cube(a):
    return cell(a, a, a, 90, 90, 90)


def hexagon(a, c):
    return cell(a, a, c, 90, 90, 120)


def rhomb(a, angle):
    return cell(a, a, a, angle, angle, angle)


def atoms(*rows, columns=SITE):
    tags = "".join(f"_atom_site_{name}\n" for name in columns.split())
    return f"loop_\n{tags}" + "".join(f"{row}\n" for row in rows)


def named(name):
    return f"_symmetry_space_group_name_H-M '{name}'\n"


def coded(number, code):
    """Name a setting by its number and code."""
    code = f"_space_group.IT_coordinate_system_code {code}\n"
    return f"_space_group_IT_number {number}\n{code}"


def looped(tag, *values):
    return f"loop_\n{tag}\n" + "".join(f"'{value}'\n" for value in values)


def operations(*texts, tag="_symmetry_equiv_pos_as_xyz"):
    return f"loop_\n{tag}\n" + "".join(f"'{text}'\n" for text in texts)


def all_operations(name):
    group = gemmi.find_spacegroup_by_name(name)
    return operations(*(operation.triplet() for operation in group.operations()))


def salt(stated):
    return cube(5.64) + stated + atoms("Na1 Na 0 0 0", "Cl1 Cl 0.5 0.5 0.5")


# Of the kind of PtSn4, axes a and b exchanged: eight tin atoms around each platinum.
STANNIDE = cell(11.366, 6.418, 6.384, 90, 90, 90)
STANNIDE_ATOMS = atoms("Pt1 Pt 0.25 0 0.75", "Sn1 Sn 0.131 0.345 0.905")
ZIRCONIA = (
    *("Zr1 Zr 0.2754 0.0395 0.2083", "O1 O 0.07 0.3317 0.3447"),
    "O2 O 0.4496 0.7569 0.4792",
)
OXIDE = cell(5.1505, 5.2116, 5.3173, 90, 99.23, 90)
BY_C = cell(5.3173, 5.1505, 5.2116, 90, 90, 99.23)  # the axes c, a, b
TURNED = (
    *("Zr1 Zr 0.2083 0.2754 0.0395", "O1 O 0.3447 0.07 0.3317"),
    "O2 O 0.4792 0.4496 0.7569",
)
SWAPPED = (  # along c, -b, a
    *("Zr1 Zr 0.2083 -0.0395 0.2754", "O1 O 0.3447 -0.3317 0.07"),
    "O2 O 0.4792 -0.7569 0.4496",
)
ZRO2 = ("Zr4 O8", 12, 2.0519)
P21C = ("x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2")
TITANATE = (
    *("Ca1 Ca -0.00676 0.03602 0.25", "Ti1 Ti 0 0.5 0"),
    *("O1 O 0.0714 0.4838 0.25", "O2 O 0.7108 0.2888 0.0371"),
)
CRYOLITE = (
    *("Al1 Al 0 0 0", "Na1 Na 0 0 0.5", "Na2 Na 0.5133 -0.0519 0.2474"),
    *("F1 F 0.1026 0.045 0.2194", "F2 F -0.2732 0.1728 0.0462"),
    "F3 F 0.1626 0.2698 -0.0628",
)
SPINEL = (
    *("Mg1 Mg 0.125 0.125 0.125", "Al1 Al 0.5 0.5 0.5"),
    "O1 O 0.2624 0.2624 0.2624",
)
ANATASE = cell(3.7842, 3.7842, 9.5146, 90, 90, 90)
SILICON = atoms("Si1 Si 0.125 0.125 0.125")
BISMUTH = rhomb(4.7459, 57.24)
BI = atoms("Bi1 Bi 0.23389 0.23389 0.23389")
LA = "La1 La 0 0 0 1"
THIRD = "Zn1 Zn 0.333 0.667 0.25 0.25"
GROUPS = f"{SITE} disorder_assembly disorder_group"
# Operations and names as pymatgen finds them within a tolerance, in odd axes.
NOISY = cell(3.56221749, 3.55753405, 5.40307812, 109.2652, 109.175363, 89.991953)
OXIDE_OF_ODD_AXES = (
    cell(4.933348, 7.71092555, 10.39676697, 137.83820545, 18.40956118, 129.75254626)
    + named("P-42_1m")
    + operations(
        *("x, y, z", "x-2y+4z+6/911, -x+y-2z+1/696, -x+2y-3z+419/843"),
        *(
            "-x+4y-4z+642/643, -y+2/903, -2y+z+2/903",
            "-x-2y+4/423, y+1/2, 2y-z+679/682",
        ),
        *(
            "-x-2y+4/423, x-y+2z+1/1000, x+z+480/967",
            "x, -x+y-2z+349/696, -x-z+349/696",
        ),
        "x-2y+4z+6/911, -y+227/452, -z+913/915",
        "-x+4y-4z+642/643, x-y+2z+322/643, x-2y+3z+322/643",
    )
    + atoms("Zr0 Zr 0.501809 0.001168 0.999836", "O1 O 0.112541 0.195334 0.694025")
)
BORIDE = (
    *("Gd0 Gd 0.004437 0.993979 0.999546", "Co1 Co 0.254246 0.74227 0.498915"),
    "B2 B 0.348965 0.33712 0.688604",
)

RIGHT = {
    "short name of unique axis b": (OXIDE + named("P 21/c") + atoms(*ZIRCONIA), ZRO2),
    "short name of unique axis c": (BY_C + named("P 21/a") + atoms(*TURNED), ZRO2),
    "short name with brackets": (OXIDE + named("P2(1)/c") + atoms(*ZIRCONIA), ZRO2),
    "short name of other axes": (
        cell(5.3796, 5.4423, 7.6401, 90, 90, 90) + named("Pbnm") + atoms(*TITANATE),
        ("Ca4 Ti4 O12", 20, 1.950),
    ),
    "code of other axes": (
        cell(5.3796, 5.4423, 7.6401, 90, 90, 90) + coded(62, "cab") + atoms(*TITANATE),
        ("Ca4 Ti4 O12", 20, 1.950),
    ),
    "code of unique axis c": (BY_C + coded(14, "c1") + atoms(*TURNED), ZRO2),
    "code of swapped axes": (  # P 1 21/a 1
        cell(5.3173, 5.2116, 5.1505, 90, 99.23, 90)
        + coded(14, "-b1")
        + atoms(*SWAPPED),
        ZRO2,
    ),
    "code of a cell choice": (  # P 1 21/n 1
        cell(5.4024, 5.5959, 7.7564, 90, 90.278, 90)
        + coded(14, "b2")
        + atoms(*CRYOLITE),
        ("Na6 Al2 F12", 20, 1.802),
    ),
    "code of an origin": (
        cube(5.431) + named("F d -3 m") + coded(227, 2) + SILICON,
        ("Si8", 8, 2.3517),
    ),
    "code of origin 1 in capitals, with its axes": (
        cube(5.431) + coded(227, "'1 ABC'") + atoms("Si1 Si 0 0 0"),
        ("Si8", 8, 2.3517),
    ),
    "code of rhombohedral axes": (
        BISMUTH + named("R -3 m") + coded(166, "r") + BI,
        ("Bi2", 2, 3.0719),
    ),
    "code of the axes, origin by the number of atoms": (
        STANNIDE
        + coded(68, "ba-c")
        + "_chemical_formula_sum 'Pt Sn4'\n_cell_formula_units_Z 4\n"
        + STANNIDE_ATOMS,
        ("Sn16 Pt4", 20, 2.7695),
    ),
    "code of the only origin": (
        cube(4.123) + coded(221, 1) + atoms("Cs1 Cs 0 0 0", "Cl1 Cl .5 .5 .5"),
        ("Cs1 Cl1", 2, 3.5706),
    ),
    "code of the only origin, axes by the cell": (
        BISMUTH + named("R -3 m") + coded(166, 1) + BI,
        ("Bi2", 2, 3.0719),
    ),
    "name in small letters": (salt(named("f m -3 m")), ("Na4 Cl4", 8, 2.82)),
    "name in small letters, unique axis left out": (
        OXIDE + named("p 21/c") + atoms(*ZIRCONIA),
        ZRO2,
    ),
    "name in small letters with its origin": (
        cube(5.431) + named("f d -3 m z") + SILICON,
        ("Si8", 8, 2.3517),
    ),
    "name of a type in small letters beside another setting": (
        cell(5.4024, 5.5959, 7.7564, 90, 90.278, 90)
        + named("p21/c")
        + all_operations("P 1 21/n 1")
        + atoms(*CRYOLITE),
        ("Na6 Al2 F12", 20, 1.802),
    ),
    "spellings of one name": (
        salt(looped(HM, "F m -3 m", "F 4/m -3 2/m", "Fm-3m", "f m -3 m", "fm-3m")),
        ("Na4 Cl4", 8, 2.82),
    ),
    "loops of equal values": (
        salt(
            looped("_space_group_IT_number", 225, 225)
            + looped("_cell_volume", "?", 179.41, "179.410(2)")
            + looped("_exptl_crystal_density_diffrn", 2.163, 2.165)
        ),
        ("Na4 Cl4", 8, 2.82),
    ),
    "loops of values that all fit": (
        salt(
            looped("_cell_volume", 179.4, 179.41)
            + looped("_chemical_formula_sum", "Na Cl", "Cl Na")
            + looped("_chemical_formula_weight", 58.44, 58.45)
            + looped("_cell_formula_units_Z", 4, "4.0", "inf")
            + looped("_space_group_crystal_system", "cubic", "Cubic", "tetragonal")
            + looped("_space_group_name_Hall", "-F 4 2 3", "-f_4  2 3")
        ),
        ("Na4 Cl4", 8, 2.82),
    ),
    "settings of a loop of which the operations are one": (
        OXIDE
        + looped(HM, "P 1 21/n 1", "P 1 21/c 1")
        + operations(*P21C)
        + atoms(*ZIRCONIA),
        ZRO2,
    ),
    "origin 1": (
        cube(5.431) + named("F d -3 m :1") + atoms("Si1 Si 0 0 0"),
        ("Si8", 8, 2.3517),
    ),
    "origin at the centre": (
        cube(8.0806) + named("F d -3 m Z") + atoms(*SPINEL),
        ("Mg8 Al16 O32", 56, 1.9231),
    ),
    "origin 2 of a tetragonal group": (
        ANATASE
        + named("I 41/a m d :2")
        + atoms("Ti1 Ti 0 0.75 0.125", "O1 O 0 0.75 0.3331"),
        ("Ti4 O8", 12, 1.934),
    ),
    "rhombohedral axes by a suffix": (
        BISMUTH + named("R -3 m R") + BI,
        ("Bi2", 2, 3.0719),
    ),
    "rhombohedral axes by the cell": (
        BISMUTH + "_space_group_IT_number 166\n" + BI,
        ("Bi2", 2, 3.0719),
    ),
    "rhombohedral axes of calcite": (
        rhomb(6.375, 46.075)
        + named("R -3 c :R")
        + atoms("Ca1 Ca 0 0 0", "C1 C .25 .25 .25", "O1 O 0.5068 -0.0068 0.25"),
        ("Ca2 C2 O6", 10, 1.2810),
    ),
    "full name": (
        hexagon(3.2094, 5.2108)
        + named("P 63/m 2/m 2/c")
        + atoms("Mg1 Mg 0.333333 0.666667 0.25"),
        ("Mg2", 2, 3.197),
    ),
    "old name": (
        cube(5.418) + named("P a 3") + atoms("Fe1 Fe 0 0 0", "S1 S 0.384 0.384 0.384"),
        ("Fe4 S8", 12, 2.177),
    ),
    "name with the glide e": (
        cell(5, 5, 6, 90, 90, 90) + named("C m m e") + atoms("Fe1 Fe 0.25 0 0"),
        ("Fe4", 4, 2.5),
    ),
    "Hall symbol in dots": (
        OXIDE + "_space_group.name_Hall '-P 2ybc'\n" + atoms(*ZIRCONIA),
        ZRO2,
    ),
    "Hall symbol with underscores": (
        OXIDE + "_symmetry_space_group_name_Hall -P_2ybc\n" + atoms(*ZIRCONIA),
        ZRO2,
    ),
    "Hall symbol of an origin": (
        cube(5.431) + "_space_group_name_Hall '-F 4vw 2vw 3'\n" + SILICON,
        ("Si8", 8, 2.3517),
    ),
    "numbered operations in dots": (
        OXIDE
        + "loop_\n_space_group_symop.id\n_space_group_symop.operation_xyz\n"
        + "".join(f"{n} {text}\n" for n, text in enumerate(P21C, 1))
        + atoms(*ZIRCONIA),
        ZRO2,
    ),
    "operations within a tolerance": (
        NOISY
        + named("Imm2")
        + operations(
            *("x, y, z", "-x+3/338, y-z, -z+999/1000", "-x+z+5/536, y, z"),
            "x-z, y-z, -z+999/1000",
        )
        + atoms(*BORIDE),
        ("Gd1 Co2 B2", 5, None),
    ),
    "operations within a tolerance, odd axes": (
        OXIDE_OF_ODD_AXES,
        ("Zr2 O4", 6, None),
    ),
    "partial third, six operations": (
        hexagon(4, 6)
        + named("P -3 m 1")
        + atoms("Ti1 Ti 0 0 0 1", THIRD.replace("0.25 ", "0.5 "), columns=SHARED),
        ("Ti1 Zn0.5", 3, 2.3094),
    ),
    "partial third on rhombohedral axes": (
        rhomb(6, 50)
        + named("R -3 m :R")
        + atoms(LA, "Zn1 Zn 0.333 0.333 0.334 0.25", columns=SHARED),
        ("La1 Zn0.5", 3, None),
    ),
    "partial third of a long cell, five digits along it": (
        hexagon(24, 8)
        + named("P -3 m 1")
        + atoms(LA, "Zn1 Zn 0.333 0.667 0.12345 0.25", columns=SHARED),
        ("La1 Zn0.5", 3, None),
    ),
    "split site beside a mirror": (
        cell(5, 5, 10, 90, 90, 90)
        + named("P 4/m m m")
        + atoms(LA, "Zn1 Zn 0.5 0.5 0.00512 0.5", columns=SHARED),
        ("La1 Zn1", 3, None),
    ),
    "disorder groups that add up": (
        cube(8)
        + named("P 1")
        + atoms(
            *("Mg1 Mg 0 0 0 . . 1", "Cl1 Cl .5 .5 .5 A 1 .5", "Cl2 Cl .5 .5 .2 A 2 .5"),
            columns=f"{GROUPS} occupancy",
        ),
        ("Mg1 Cl1", 3, 2.4),
    ),
    "disorder of two places": (
        cube(8)
        + named("P 1")
        + atoms(
            *("Mg1 Mg 0 0 0 . .", "Cl1 Cl .5 .5 .5 A 1", "Cl2 Cl .5 .5 .2 B 1"),
            columns=GROUPS,
        ),
        ("Mg1 Cl2", 3, 2.4),
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_crystal_is_the_one_that_is_meant(tmp_path, case):
    text, (formula, num_sites, shortest) = RIGHT[case]
    (tmp_path / "a.cif").write_text(text)
    structure = load_structure(tmp_path / "a.cif", disordered=True)
    distances = structure.distance_matrix + 1e6 * np.eye(len(structure))
    assert structure.composition.formula == formula
    assert len(structure) == num_sites
    if shortest is not None:
        assert distances.min() == pytest.approx(shortest, abs=2e-3)


TWO = operations(*P21C[:2])
OTHER_TAG = "_space_group_symop_operation_xyz"
REFUSED = {
    "origin 2 against the name": (
        cube(5.431) + named("F d -3 m :1") + all_operations("F d -3 m:2") + SILICON,
        "is F d -3 m :1 but its 192 symmetry operations are those of F d -3 m:2",
    ),
    "Hall symbol of origin 2 against the name": (
        cube(5.431)
        + named("F d -3 m :1")
        + "_space_group_name_Hall '-F 4vw 2vw 3'\n"
        + SILICON,
        "is F d -3 m :1 but its 192 symmetry operations are those of F d -3 m:2",
    ),
    "code against the name": (
        OXIDE + named("P 1 21/c 1") + coded(14, "b2") + atoms(*ZIRCONIA),
        r"said to be P 1 21/c 1, but b2 \(.*_system_code\) means P 1 21/n 1 of number",
    ),
    "code of no such group": (
        cube(4.123) + coded(221, "b1") + atoms("Cs1 Cs 0 0 0"),
        r"said to be 221, but b1 \(.*\) means nothing of number 221; correct one",
    ),
    "code of an axis alone": (
        cell(5, 5, 5, 90, 90, 90) + coded(14, "c") + atoms("Cs1 Cs 0 0 0"),
        "the setting is ambiguous, its symmetry may be P 1 1 21/a or",
    ),
    "code of the axes against the name": (
        STANNIDE + named("C c c a") + coded(68, "ba-c") + STANNIDE_ATOMS,
        r"said to be C c c a, but ba-c \(.*\) means C c c b:1 or C c c b:2 of number",
    ),
    "code of the axes that leaves the origin open": (
        STANNIDE + coded(68, "ba-c") + STANNIDE_ATOMS,
        "the setting is ambiguous, its symmetry may be C c c b:1 or C c c b:2; name",
    ),
    "code against the operations": (
        OXIDE + coded(14, "b2") + operations(*P21C) + atoms(*ZIRCONIA),
        r"14 \(code b2\) but its 4 symmetry operations are those of P 1 21/c 1",
    ),
    "two temperatures": (
        salt("").replace("_cell_length_a 5.64\n", looped("_cell_length_a", 5.6, 5.7)),
        "gives _cell_length_a twice, 5.6 and 5.7; remove the one that is not meant",
    ),
    "two formulas": (
        salt(named("F m -3 m") + looped("_chemical_formula_sum", "Na Cl", "K Cl")),
        "lists Cl4 Na4 but its _chemical_formula_sum is K Cl",
    ),
    "two volumes": (
        salt(named("F m -3 m") + looped("_cell_volume", 179.4, 150)),
        "_cell_volume is 150 but its lengths and angles make 179.4",
    ),
    "two weights": (
        salt(
            named("F m -3 m")
            + "_cell_formula_units_Z 4\n"
            + looped("_chemical_formula_weight", 58.44, 74.55)
        ),
        "4 formulas of 74.55 g/mol are stated",
    ),
    "two numbers of formulas": (
        salt(named("F m -3 m") + looped("_cell_formula_units_Z", 4, 3)),
        "lists 8 atoms in its cell but states Z = 3",
    ),
    "two crystal systems": (
        salt(looped("_symmetry_cell_setting", "cubic", "hexagonal")),
        "_symmetry_cell_setting is hexagonal, which does not fit its cell",
    ),
    "two systems where the cell is completed": (
        salt(looped("_symmetry_cell_setting", "cubic", "tetragonal")).replace(
            "_cell_length_c 5.64\n", ""
        ),
        "gives _symmetry_cell_setting twice, cubic and tetragonal",
    ),
    "two Hall symbols": (
        salt(looped("_space_group_name_Hall", "-P 4 2 3", "-P 42 3")),
        "gives _space_group_name_hall twice, -P 4 2 3 and -P 42 3",
    ),
    "two densities": (
        salt(named("F m -3 m") + looped("_exptl_crystal_density_diffrn", 2.16, 4.33)),
        "its density is stated to be 4.33 g/cm.3 but .* has 2.164",
    ),
    "two numbers": (
        salt(looped("_symmetry_Int_Tables_number", 225, 221)),
        "gives _symmetry_int_tables_number twice, 225 and 221",
    ),
    "two names": (
        salt(looped(HM, "F m -3 m", "P m -3 m")),
        "is said to be F m -3 m and P m -3 m, which are different ones",
    ),
    "names of two settings": (
        OXIDE + looped(HM, "P 1 21/c 1", "P 1 21/n 1") + atoms(*ZIRCONIA),
        "said to be P 1 21/c 1 and P 1 21/n 1, which are different settings; correct",
    ),
    "names of two settings by two tags": (
        OXIDE + named("P 1 21/n 1") + f"{HM} 'P 1 21/c 1'\n" + atoms(*ZIRCONIA),
        "said to be P 1 21/c 1 and P 1 21/n 1, which are different settings; correct",
    ),
    "Hall symbol of another setting": (
        OXIDE
        + "_space_group_name_Hall '-P 2yn'\n"
        + operations(*P21C)
        + atoms(*ZIRCONIA),
        "its Hall symbol is -P 2yn but its 4 symmetry operations are those of P 1 21/c",
    ),
    "two lists of as many operations": (
        OXIDE + TWO + operations("x,y,z", "-x,-y,-z", tag=OTHER_TAG) + atoms(*ZIRCONIA),
        "2 symmetry operations and, by another name, 2 that are not the same",
    ),
    "hexagonal axes of a rhombohedral cell": (
        BISMUTH + named("R -3 m :H") + BI,
        "symmetry .* does not fit its cell",
    ),
    "half of the operations": (
        OXIDE + named("P 21/c") + TWO + atoms(*ZIRCONIA),
        "space group is P 21/c but its 2 symmetry operations are those of number 4",
    ),
    "images of a group of disorder": (
        cube(8)
        + named("P m m m")
        + atoms("Mg1 Mg 0 0 0 . .", "Cl1 Cl .5 .5 .1 . -1", columns=GROUPS),
        "disorder group -1 and their images are alternatives; give _atom_site_occup",
    ),
    "underscore within a number": (
        cube("4_123") + atoms("Cs1 Cs 0 0 0"),
        "_cell_length_a is '4_123', not a number",
    ),
    "tetrahedral site as a symbol": (
        cube(4) + atoms("T1 T 0 0 0"),
        "'T' is not a chemical element",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_reason_is_the_true_one(tmp_path, case):
    text, message = REFUSED[case]
    (tmp_path / "a.cif").write_text(text)
    with pytest.raises(StructureError, match=message):
        load_structure(tmp_path / "a.cif", disordered=True)


def labelled(label):
    columns = SITE.replace("type_symbol ", "")
    return cube(4) + atoms(f"{label} 0 0 0", "Mg1 .5 .5 .5", columns=columns)


@pytest.mark.parametrize(
    "label",
    [
        *(
            "Tet1",
            "Oct1",
            "Cat1",
            "Met1",
            "Sol1",
            "Hal1",
            "Site1",
            "Cap1",
            "REE",
            "TET",
        ),
        *("M(1)", "T1", "Ln1", "Q1", "Bq", "Vac", "Cg1", "Uuo"),
    ],
)
def test_label_of_a_place_is_no_element(tmp_path, label):
    (tmp_path / "a.cif").write_text(labelled(label))
    with pytest.raises(StructureError, match="is not a chemical element; replace"):
        load_structure(tmp_path / "a.cif")


@pytest.mark.parametrize(
    "label",
    [
        *("Fe/Ni", "'Fe,Ni'", "Fe|Ni", "Fe+Ni", "Fe:Ni", "Fe&Ni", "Al-Si1", "Al_Si"),
        *("KNa1", "VCr1", "YLu", "FeNiCo", "FeV2", "FeMg"),
        *("FE/NI", "AL-SI1", "FENI", "CUNI1", "NAK1", "KNA1", "CUK"),
    ],
)
def test_label_of_several_elements_is_refused(tmp_path, label):
    (tmp_path / "a.cif").write_text(labelled(label))
    with pytest.raises(
        StructureError, match="not a chemical element but names several"
    ):
        load_structure(tmp_path / "a.cif")


@pytest.mark.parametrize(
    ("label", "element"),
    [
        *(("OSi1", "O"), ("HN1", "H"), ("FeA", "Fe"), ("FeB2", "Fe"), ("O_1", "O")),
        *(("Fe1'", "Fe"), ("Al-1", "Al"), ("CL1", "Cl"), ("Hoh1", "O"), ("SiT", "Si")),
        *(("CU1", "Cu"), ("CU(1)", "Cu"), ("DY2", "Dy"), ("PU", "Pu"), ("BK1", "Bk")),
        *(("CUB1", "Cu"), ("FE-OCT", "Fe")),
    ],
)
def test_label_with_a_suffix_is_its_element(tmp_path, label, element):
    (tmp_path / "a.cif").write_text(labelled(label))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        first, _ = load_structure(tmp_path / "a.cif")
    assert first.species_string == element


@pytest.mark.parametrize("label", ["OS1", "CO1"])
def test_label_in_capitals_of_one_element_or_two_is_refused(tmp_path, label):
    (tmp_path / "a.cif").write_text(labelled(label))
    with pytest.raises(StructureError, match=f"'{label}' may mean one element or two"):
        load_structure(tmp_path / "a.cif")
