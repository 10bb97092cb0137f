"""Formats of programs and databases: crystals counted by hand, three of each kind."""

import json

import ase.io
import numpy as np
import pytest
from ase import Atoms

from pyg_sitenet.data.structure.load import load_structure, read_structures
from pyg_sitenet.errors import StructureError

A = 4.123
CUBE = [[A, 0, 0], [0, A, 0], [0, 0, A]]

OUTPUT = """
     Program PWSCF v.7.2 starts on  1Jan2024 at  0: 0: 0

     bravais-lattice index     =            0
     lattice parameter (alat)  =       7.7913  a.u.
     unit-cell volume          =     472.9707 (a.u.)^3
     number of atoms/cell      =            2
     number of atomic types    =            2
     celldm(1)=   7.791340  celldm(2)=   0.000000  celldm(3)=   0.000000
     celldm(4)=   0.000000  celldm(5)=   0.000000  celldm(6)=   0.000000

     crystal axes: (cart. coord. in units of alat)
               a(1) = (   1.000000   0.000000   0.000000 )
               a(2) = (   0.000000   1.000000   0.000000 )
               a(3) = (   0.000000   0.000000   1.000000 )

   Cartesian axes

     site n.     atom                  positions (alat units)
         1           Cs  tau(   1) = (   0.0000000   0.0000000   0.0000000  )
         2           Cl  tau(   2) = (   0.5000000   0.5000000   0.5000000  )

!    total energy              =    -100.00000000 Ry

     convergence has been achieved in   5 iterations
"""
RELAXED = """
CELL_PARAMETERS (angstrom)
   4.200000000   0.000000000   0.000000000
   0.000000000   4.200000000   0.000000000
   0.000000000   0.000000000   4.200000000

ATOMIC_POSITIONS (crystal)
Cs       0.000000000   0.000000000   0.000000000
Cl       0.500000000   0.500000000   0.500000000

!    total energy              =    -100.10000000 Ry

     convergence has been achieved in   5 iterations
"""
INPUT = """&control
 calculation = 'scf'
/
&system
 ibrav = 0, nat = 2, ntyp = 2
/
ATOMIC_SPECIES
Cs 132.9 Cs.upf
Cl1 35.45 Cl.upf
CELL_PARAMETERS {cell}
ATOMIC_POSITIONS {atoms}
"""


def rows(size):
    return f"\n{size} 0 0\n0 {size} 0\n0 0 {size}"


def sites(far):
    return f"\nCs 0 0 0\nCl1 {far} {far} {far}"


JARVIS = {"lattice_mat": CUBE, "elements": ["Cs", "Cl"], "props": ["", ""]}
CELL = """%BLOCK LATTICE_CART
bohr
7.79134 0 0
0 7.79134 0   ! by hand
0 0 7.79134
%ENDBLOCK LATTICE_CART
%BLOCK POSITIONS_ABS
{unit}
Cs:1 0 0 0 SPIN=1
CL {far} {far} {far}
%ENDBLOCK POSITIONS_ABS
"""
XSF = "CRYSTAL\nPRIMVEC\n4.123 0 0\n0 4.123 0\n0 0 4.123\nPRIMCOORD\n2 1\n"
ANGSTROM = "2.0615 2.0615 2.0615"
XDATCAR = "CsCl\n{a}\n1 0 0\n0 1 0\n0 0 1\nCs Cl\n1 1\n"
FRAME = "Direct configuration= {n}\n0 0 0\n0.5 0.5 0.5\n"
AIMS = "lattice_vector 4.123 0 0\nlattice_vector 0 4.123 0\nlattice_vector 0 0 4.123\n"

CSCL = {
    "output of pw.x": ("a.pwo", OUTPUT),
    "input of pw.x in angstrom": (
        "a.pwi",
        INPUT.format(cell=f"angstrom{rows(A)}", atoms=f"angstrom{sites(A / 2)}"),
    ),
    "input of pw.x in bohr": (
        "a.pwi",
        INPUT.format(cell=f"bohr{rows(7.79134)}", atoms=f"bohr{sites(3.89567)}"),
    ),
    "input of pw.x, positions in parts of the cell": (
        "a.pwi",
        INPUT.format(cell=f"{{angstrom}}{rows(A)}", atoms=f"{{crystal}}{sites(0.5)}"),
    ),
    "JARVIS, fractional": (
        "a.json",
        JARVIS | {"coords": [[0] * 3, [0.5] * 3], "cartesian": False},
    ),
    "JARVIS, Cartesian": (
        "a.json",
        JARVIS | {"coords": [[0] * 3, [A / 2] * 3], "cartesian": True},
    ),
    "JARVIS in YAML": (
        "a.yaml",
        JARVIS | {"coords": [[0] * 3, [0.5] * 3], "cartesian": False, "abc": [A] * 3},
    ),
    "cell, Cartesian in bohr": ("a.cell", CELL.format(unit="bohr", far=3.89567)),
    "cell, Cartesian in angstrom": ("a.cell", CELL.format(unit="ang", far=2.0615)),
    "cell, Cartesian in nm": ("a.cell", CELL.format(unit="nm", far=0.20615)),
    "xsf with symbols": ("a.xsf", f"{XSF}Cs 0 0 0\nCl {ANGSTROM}\n"),
    "xsf with forces": ("a.xsf", f"{XSF}55 0 0 0 0.1 0 0\n17 {ANGSTROM} 0 0 0.1\n"),
    "xsf with comments": (
        "a.xsf",
        f"# by hand\n{XSF}55 0 0 0\n17 {ANGSTROM}\nBEGIN_BLOCK_DATAGRID_3D\n1 2 3\n"
        "END_BLOCK_DATAGRID_3D\n",
    ),
    "xdatcar with a scale": ("XDATCAR", XDATCAR.format(a=A) + FRAME.format(n=1)),
    "aims, Cartesian": ("geometry.in", f"{AIMS}atom 0 0 0 Cs\natom {ANGSTROM} Cl\n"),
    "aims, fractional": (
        "geometry.in",
        f"{AIMS}atom_frac 0 0 0 Cs\natom_frac 0.5 0.5 0.5 Cl\n",
    ),
    "aims with moments": (
        "geometry.in.next_step",
        f"# relaxed\natom 0 0 0 Cs\n initial_moment 1\natom {ANGSTROM} Cl\n{AIMS}",
    ),
}


def write(path, content):
    """Write text as it is, and a dictionary as JSON, which is YAML too."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("case", CSCL)
def test_caesium_chloride(tmp_path, case):
    name, content = CSCL[case]
    structure = load_structure(write(tmp_path / name, content))
    assert structure.composition.formula == "Cs1 Cl1"
    assert structure.volume == pytest.approx(A**3, rel=1e-4)
    assert structure.get_distance(0, 1) == pytest.approx(A * 3**0.5 / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pwo", OUTPUT + RELAXED),
        (
            "XDATCAR",
            XDATCAR.format(a=A) + FRAME.format(n=1) + XDATCAR.format(a=4.2) + FRAME,
        ),
        (
            "a.xsf",
            "ANIMSTEPS 2\n" + XSF.replace("PRIMVEC", "PRIMVEC 1") + "55 0 0 0\n17"
            f" {ANGSTROM}\n"
            + XSF.replace("CRYSTAL\n", "").replace("4.123", "4.2")
            + "55 0 0 0\n17 2.1 2.1 2.1\n",
        ),
    ],
)
def test_frames_with_cells_of_their_own(tmp_path, name, content):
    frames = [
        structure for _, structure in read_structures(write(tmp_path / name, content))
    ]
    assert [frame.lattice.a for frame in frames] == pytest.approx([A, 4.2], abs=1e-3)
    distances = [frame.get_distance(0, 1) for frame in frames]
    assert distances == pytest.approx([3.5706, 3.6373], abs=1e-3)


def dictionary(*sites, lattice=None):
    """Return pymatgen's dictionary of sites, the last at the middle of a cube."""
    places = [[0, 0, 0], [0.5, 0.5, 0.5]]
    listed = [
        {"species": species, "abc": place}
        for species, place in zip(sites, places, strict=True)
    ]
    return {"lattice": lattice or {"matrix": CUBE}, "sites": listed}


def share(element, part, state=None, spin=None):
    entry = {"element": element, "occu": part}
    if state is not None:
        entry["oxidation_state"] = state
    if spin is not None:
        entry["properties"] = {"spin": spin}
    return entry


OXYGEN = [share("O", 1, -2)]
UP_AND_DOWN = [share("Fe", 0.5, 2, 4), share("Fe", 0.5, 2, -4)]
SPINS = {
    "halves of an ion": (UP_AND_DOWN, {"Fe2+": 1.0}),
    "halves of an element": (
        [share("Fe", 0.5, spin=4), share("Fe", 0.5, spin=-4)],
        {"Fe": 1.0},
    ),
    "three shares beside another element": (
        [*(share("Fe", 0.25, 2, spin) for spin in (4, 0, -4)), share("Mg", 0.25, 2)],
        {"Fe2+": 0.75, "Mg2+": 0.25},
    ),
}


@pytest.mark.parametrize("case", SPINS)
def test_shares_of_one_element_with_different_spins_add_up(tmp_path, case):
    species, expected = SPINS[case]
    path = write(tmp_path / "a.json", dictionary(species, OXYGEN))
    first, _ = load_structure(path, disordered=True)
    shares = {str(specie): part for specie, part in first.species.items()}
    assert shares == pytest.approx(expected)


@pytest.mark.parametrize("name", ["a.json", "a.mson", "a.yaml"])
@pytest.mark.parametrize("pbc", [[True, True, False], [False] * 3, [0, 1, 1]])
def test_dictionary_of_a_slab_is_refused(tmp_path, name, pbc):
    lattice = {"matrix": CUBE, "pbc": pbc}
    content = dictionary([share("Mg", 1)], OXYGEN, lattice=lattice)
    with pytest.raises(StructureError, match="not periodic in all three directions"):
        load_structure(write(tmp_path / name, content))


def optimade(name, symbols, concentration):
    named = {"name": name, "chemical_symbols": symbols, "concentration": concentration}
    caesium = {"name": "Cs", "chemical_symbols": ["Cs"], "concentration": [1]}
    return {
        "lattice_vectors": CUBE,
        "cartesian_site_positions": [[0, 0, 0], [A / 2] * 3],
        "species_at_sites": ["Cs", name],
        "species": [caesium, named],
    }


@pytest.mark.parametrize(
    ("species", "formula"),
    [
        (("V", ["vacancy"], [1]), "Cs1"),
        (("Cl", ["Cl", "vacancy"], [0.25, 0.75]), "Cs1 Cl0.25"),
        (("B", ["Br", "Cl", "vacancy"], [0.5, 0.25, 0.25]), "Cs1 Br0.5 Cl0.25"),
    ],
)
def test_vacancies_of_optimade_are_no_atoms(tmp_path, species, formula):
    path = write(tmp_path / "a.json", optimade(*species))
    structure = load_structure(path, disordered=True)
    assert structure.composition.formula == formula


def shared(first, kinds=(0, 1)):
    """Return atoms with the shares of sites as ASE's reader of CIFs leaves them."""
    atoms = Atoms("PbTe", [[0, 0, 0], [A / 2] * 3], cell=CUBE, pbc=True)
    atoms.info["occupancy"] = {"0": first, "1": {"Te": 1.0}}
    atoms.new_array("spacegroup_kinds", np.array(kinds))
    return atoms


@pytest.mark.parametrize(
    ("first", "shares"),
    [
        ({"Pb": 0.6, "Sn": 0.4}, {"Pb": 0.6, "Sn": 0.4, "Te": 1}),
        ({"Pb": 0.5}, {"Pb": 0.5, "Te": 1}),
        (
            {"Pb": 0.333, "Sn": 0.333, "Ge": 0.333},
            {"Pb": 1 / 3, "Sn": 1 / 3, "Ge": 1 / 3, "Te": 1},
        ),
    ],
)
@pytest.mark.parametrize("name", ["", "a.extxyz", "a.traj"])
def test_occupancies_that_ase_leaves_are_the_shares_of_sites(
    tmp_path, name, first, shares
):
    source = shared(first)
    if name:
        ase.io.write(tmp_path / name, source)
        source = tmp_path / name
    structure = load_structure(source, disordered=True)
    assert structure.composition.as_dict() == pytest.approx(shares)


def test_occupancies_of_other_atoms_are_refused():
    with pytest.raises(StructureError, match="occupancies do not fit its atoms"):
        load_structure(shared({"Pb": 1.0}, kinds=(0, 7)), disordered=True)


REFUSED = {
    "lattice of pw.x by celldm alone": (
        "a.pwi",
        INPUT.format(cell=f"alat{rows(1)}", atoms=f"alat{sites(0.5)}"),
        "cannot be read|no cell",
    ),
    "slab of pw.x": (
        "a.pwi",
        INPUT.replace("ntyp = 2", "ntyp = 2, assume_isolated = '2D'"),
        "a molecule or slab without periodicity",
    ),
    "output that was cut before its results": ("a.pwo", OUTPUT[:900], "a.pwo"),
    "JARVIS with too few coordinates": (
        "a.json",
        JARVIS | {"coords": [[0, 0, 0]], "cartesian": False},
        "not the dictionary of a structure",
    ),
    "mixture of CASTEP": (
        "a.cell",
        CELL.format(unit="ang", far=1).replace("SPIN=1", "MIXTURE:(1 0.5)"),
        "has mixture atoms",
    ),
    "polymer": ("a.xsf", XSF.replace("CRYSTAL", "POLYMER"), "a molecule or slab"),
    "xdatcar without elements": (
        "XDATCAR",
        XDATCAR.format(a=A).replace("Cs Cl\n", "") + FRAME,
        "names no elements",
    ),
    "two lattice vectors": (
        "geometry.in",
        AIMS[:50] + "atom 0 0 0 Cs\n",
        r"2 lattice\s+vectors|a molecule or slab|expected three numbers",
    ),
    "gen": ("a.gen", "2 S\n", r"\.gen is not a format .* cluster .* convert it to CIF"),
    "cube": ("a.cube", "CUBE\n", r"\.cube is not a format .* convert it to CIF"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_reason(tmp_path, case):
    name, content, message = REFUSED[case]
    with pytest.raises(StructureError, match=message):
        load_structure(write(tmp_path / name, content), disordered=True)
