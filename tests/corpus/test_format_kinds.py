"""Files of programs and databases of the kinds that public reports are about."""

import json
import warnings
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from pyg_sitenet.data.structure.formats import FORMATS
from pyg_sitenet.data.structure.load import load_structure
from pyg_sitenet.errors import SiteNetWarning, StructureError

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "data.md"
A = 4.123
CUBE = [[A, 0, 0], [0, A, 0], [0, 0, A]]
ROWS = "4.123 0 0\n0 4.123 0\n0 0 4.123\n"
FAR = "2.0615 2.0615 2.0615"
POSCAR = f"two\n1.0\n{ROWS}Li F\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
UNNAMED = POSCAR.replace("Li F\n", "")
SELECTIVE = UNNAMED.replace("Direct", "Selective\nDirect")
DUMP = f"""ITEM: UNITS
metal
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS pp pp pp
0 4.123
0 4.123
0 4.123
ITEM: ATOMS id element x y z
1 Li 0 0 0
2 F {FAR}
"""
PWI = f"""&system
 ibrav = 0, nat = 2, ntyp = 2
/
ATOMIC_SPECIES
Li 6.94 Li.upf
F 19.0 F.upf
CELL_PARAMETERS angstrom
{ROWS}ATOMIC_POSITIONS crystal
Li 0 0 0 0 0 0
F 0.5 0.5 0.5
"""
AIMS = "".join(f"lattice_vector {row}\n" for row in ROWS.splitlines())
AIMS += f"atom 0 0 0 Li\natom {FAR} F\n"
XSF = f"CRYSTAL\nPRIMVEC\n{ROWS}PRIMCOORD\n2 1\n3 0 0 0\n9 {FAR}\n"
CASTEP = (
    f"%BLOCK LATTICE_CART\n{ROWS}%ENDBLOCK LATTICE_CART\n"
    "%BLOCK POSITIONS_FRAC\nLi 0 0 0\nF 0.5 0.5 0.5\n%ENDBLOCK POSITIONS_FRAC\n"
)
CONSTRAINED = (
    "FIX_ALL_CELL : true\n%BLOCK IONIC_CONSTRAINTS\n1 Li 1 1 0 0\n"
    "%ENDBLOCK IONIC_CONSTRAINTS\n"
)
PLACES = [[0, 0, 0], [0.5, 0.5, 0.5]]
JARVIS = {"lattice_mat": CUBE, "elements": ["Li", "F"], "coords": PLACES}
PLAIN = {"lattice": CUBE, "species": ["Li", "F"], "frac_coords": PLACES}


def optimade(**changes):
    """Return an export; what is changed to nothing is left out."""
    described = [
        {"name": name, "chemical_symbols": [symbol], "concentration": [1]}
        for name, symbol in (("Li", "Li"), ("V", "F"))
    ]
    values = {
        "lattice_vectors": CUBE,
        "cartesian_site_positions": [[0, 0, 0], [A / 2] * 3],
        "species_at_sites": ["Li", "V"],
        "species": described,
        "nsites": 2,
        "elements": ["F", "Li"],
    }
    return values | changes


def pymatgen(lattice):
    sites = [
        {"species": [{"element": name, "occu": 1}], "abc": place}
        for name, place in zip(("Li", "F"), PLACES, strict=True)
    ]
    return {"lattice": {"matrix": CUBE} | lattice, "sites": sites}


RIGHT = {
    "fluorine behind its position": (
        "POSCAR",
        UNNAMED.replace("0 0 0\n0.5", "0 0 0 Li\n0.5").replace("5\n", "5 F\n"),
    ),
    "fluorine behind flags": (
        "POSCAR",
        SELECTIVE.replace("0 0 0\n0.5", "0 0 0 T T T Li\n0.5").replace(
            "5\n", "5 T T F F\n"
        ),
    ),
    "flags without selective dynamics": (
        "POSCAR",
        POSCAR.replace("5\n", "5 F F F\n"),
    ),
    "numbers of elements in XSF": ("a.xsf", XSF),
    "conventional cell above the atoms": (
        "a.xsf",
        XSF.replace("PRIMCOORD", f"CONVVEC\n{ROWS}PRIMCOORD"),
    ),
    "atoms of a conventional cell below them": (
        "a.xsf",
        f"{XSF}CONVCOORD\n2 1\n3 0 0 0\n9 {FAR}\n",
    ),
    "keywords in capitals": ("geometry.in", AIMS.replace("atom", "ATOM")),
    "constraints of CASTEP": ("a.cell", CONSTRAINED + CASTEP),
    "numbers of elements in CASTEP": ("a.cell", CASTEP.replace("Li 0", "3 0")),
    "flags behind positions of pw.x": ("a.pwi", PWI),
    "species of any name": ("a.json", optimade()),
    "cartesian as a number": ("a.json", JARVIS | {"cartesian": 0}),
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("case", RIGHT)
def test_lithium_fluoride(tmp_path, case):
    name, content = RIGHT[case]
    structure = load_structure(write(tmp_path / name, content))
    assert structure.composition.formula == "Li1 F1"
    assert structure.volume == pytest.approx(A**3, rel=1e-4)
    assert structure.get_distance(0, 1) == pytest.approx(A * 3**0.5 / 2, abs=1e-3)


REFUSED = {
    "flags alone": (
        "POSCAR",
        UNNAMED.replace("5\n", "5 F F F\n").replace("0 0 0\n0.5", "0 0 0 T T F\n0.5"),
        "names no elements",
    ),
    "selective flags alone": (
        "POSCAR",
        SELECTIVE.replace("5\n", "5 F F F\n").replace("0 0 0\n0.5", "0 0 0 T T F\n0.5"),
        "names no elements",
    ),
    "packed in another way": ("POSCAR.zst", POSCAR, "is not read; unpack it"),
    "types in place of elements": (
        "a.lammpstrj",
        DUMP.replace("1 Li", "1 1").replace("2 F", "2 2"),
        "'1' is not a chemical element",
    ),
    "numbers of elements in a dump": (
        "a.lammpstrj",
        DUMP.replace("1 Li", "1 3").replace("2 F", "2 9"),
        "'3' is not a chemical element",
    ),
    "types of FHI-aims": ("geometry.in", AIMS.replace("Li", "1"), "'1' is not a chem"),
    "multipole": ("geometry.in", AIMS + "multipole 1 1 1 0 1\n", "'multipole' is no"),
    "more atoms than stated": (
        "a.xsf",
        XSF.replace("2 1\n", "1 1\n"),
        "belongs to nothing, are there more atoms than PRIMCOORD says",
    ),
    "unit that pw.x does not know": (
        "a.pwi",
        PWI.replace("angstrom", "nm"),
        "unknown unit 'nm' of CELL_PARAMETERS",
    ),
    "fewer atoms than nat": (
        "a.pwi",
        PWI.replace("nat = 2", "nat = 3"),
        "lists 2 atoms but states nat = 3",
    ),
    "more atoms than nat": (
        "a.pwi",
        PWI.replace("nat = 2", "nat = 1"),
        "lists 2 atoms but states nat = 1",
    ),
    "atoms of a space group": (
        "a.pwi",
        PWI.replace("ibrav = 0", "ibrav = 0, space_group = 225"),
        "atoms of a space group, whose symmetry is not read",
    ),
    "units of crystal_sg": (
        "a.pwi",
        PWI.replace("crystal\n", "crystal_sg\n"),
        "unknown unit 'crystal_sg' of ATOMIC_POSITIONS",
    ),
    "species that is not described": (
        "a.json",
        optimade(species_at_sites=["Li", "W"]),
        "the species 'W' of a site is not described",
    ),
    "number of sites": ("a.json", optimade(nsites=3), "states nsites 3 but lists 2"),
    "other elements": (
        "a.json",
        optimade(elements=["F", "Na"]),
        "states the elements F Na but its sites have F Li",
    ),
    "element without a site": (
        "a.json",
        optimade(elements=["F", "H", "Li"]),
        "states the elements F H Li but its sites have F Li",
    ),
    "positions that are not known": (
        "a.json",
        optimade(structure_features=["unknown_positions"]),
        "has unknown_positions",
    ),
    "periodicity in letters": ("a.json", pymatgen({"pbc": "TTF"}), "pbc is 'TTF'"),
    "cartesian in letters": (
        "a.json",
        JARVIS | {"cartesian": "False"},
        "expected true or false",
    ),
    "fractional and Cartesian": (
        "a.json",
        PLAIN | {"coords_are_cartesian": True},
        "frac_coords and coords_are_cartesian",
    ),
    "types in a dictionary": (
        "a.json",
        PLAIN | {"species": ["1", "2"]},
        "'1' names no element",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_reason_is_the_true_one(tmp_path, case):
    name, content, message = REFUSED[case]
    with pytest.raises(StructureError, match=message):
        load_structure(write(tmp_path / name, content), disordered=True)


def test_documentation_lists_every_format_that_is_read():
    text = DOCUMENTATION.read_text(encoding="utf-8").split("## Formats")[1]
    text = text.split("\n## ")[0].lower()
    endings = [ending for entry in FORMATS for ending in entry.endings]
    names = [name for entry in FORMATS for name in entry.names]
    assert [ending for ending in endings if f"`{ending}`" not in text] == []
    assert [name for name in names if f"`{name}" not in text] == []


def test_element_without_a_site_may_be_implicit(tmp_path):
    values = optimade(elements=["F", "H", "Li"], structure_features=["implicit_atoms"])
    with pytest.warns(SiteNetWarning, match="implicit_atoms"):
        load_structure(write(tmp_path / "a.json", values))


def lead_telluride(**arrays):
    atoms = Atoms("PbTe", [[0, 0, 0], [A / 2] * 3], cell=CUBE, pbc=True)
    for name, values in arrays.items():
        atoms.set_array(name, np.array(values))
    return atoms


@pytest.mark.parametrize("name", ["occupancy", "occupancies"])
@pytest.mark.parametrize("file", ["", "a.extxyz"])
def test_column_of_occupancies_is_the_shares_of_sites(tmp_path, name, file):
    source = lead_telluride(**{name: [0.6, 1.0]})
    if file:
        ase.io.write(tmp_path / file, source)
        source = tmp_path / file
    structure = load_structure(source, disordered=True)
    assert structure.composition.as_dict() == pytest.approx({"Pb": 0.6, "Te": 1})


def test_column_of_full_occupancies_is_an_ordered_crystal():
    assert load_structure(lead_telluride(occupancy=[1.0, 1.0])).is_ordered


@pytest.mark.parametrize("shares", [[0.0, 1.0], [-1.0, 1.0], [1.0, 2.0]])
def test_column_of_other_numbers_is_refused(shares):
    with pytest.raises(StructureError, match=r"occupancies do not fit .* expected 0 t"):
        load_structure(lead_telluride(occupancy=shares), disordered=True)


@pytest.mark.parametrize(
    ("kinds", "message"), [([1, 0], "Pb is not among Te"), ([0, 0], "Te is not among")]
)
def test_occupancies_of_other_elements_are_refused(kinds, message):
    atoms = lead_telluride(spacegroup_kinds=kinds)
    atoms.info["occupancy"] = {"0": {"Pb": 0.6, "Sn": 0.4}, "1": {"Te": 1.0}}
    with (
        warnings.catch_warnings(),
        pytest.raises(StructureError, match=message),
    ):
        load_structure(atoms, disordered=True)
