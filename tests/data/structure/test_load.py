"""What becomes of structures of every kind, and what is said of useless ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write
from pymatgen.core import IStructure, Lattice, Molecule, Species, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from pyg_sitenet.data.structure.load import (
    load_structure,
    read_structures,
    reduced_formula,
)
from pyg_sitenet.errors import SiteNetWarning, StructureError

CUBE = Lattice.cubic(4)
ORIGIN = [[0, 0, 0]]


def test_a_good_structure_passes_unchanged(quartz):
    assert load_structure(quartz) is quartz


@pytest.mark.filterwarnings("ignore:Structure charge")
def test_an_immutable_structure_is_read_and_left_as_it_is(cscl):
    cscl.add_oxidation_state_by_element({"Cs": 1, "Cl": -1})
    cscl.add_site_property("magmom", [1.0, 2.0])
    cscl.relabel_sites()
    about = {"source": "a"}
    given = IStructure.from_sites(list(cscl), charge=1, properties=about)
    before = given.as_dict()
    loaded = load_structure(given)
    assert type(loaded) is Structure
    assert list(loaded) == list(cscl)
    assert (loaded.charge, loaded.properties) == (1, about)
    assert loaded.labels == cscl.labels == ["Cs+_1", "Cl-_1"]
    loaded.translate_sites([0], [0.1, 0, 0])
    assert given.as_dict() == before


def test_an_immutable_structure_is_checked(cscl):
    given = IStructure(cscl.lattice, ["Cs", "Cl"], [[0, 0, 0], [0.01, 0, 0]])
    with pytest.raises(StructureError, match=r"^Cl1? ?Cs1?: atoms 1 .* less than 0\.5"):
        load_structure(given)


def test_ase_atoms_keep_cell_and_positions():
    atoms = bulk("ZnO", "wurtzite", a=3.25, c=5.2)
    structure = load_structure(atoms)
    assert np.allclose(structure.lattice.matrix, atoms.cell)
    assert np.allclose(structure.cart_coords, atoms.positions)
    assert structure.atomic_numbers == tuple(atoms.numbers)


def test_oxidation_states_survive_a_detour_through_ase(cscl):
    cscl.add_oxidation_state_by_element({"Cs": 1, "Cl": -1})
    loaded = load_structure(AseAtomsAdaptor.get_atoms(cscl))
    assert [site.specie.oxi_state for site in loaded] == [1, -1]


@pytest.mark.parametrize("isotope", ["D", Species("D", 1)])
def test_deuterium_is_hydrogen(isotope):
    heavy = Structure(CUBE, [isotope, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.warns(SiteNetWarning, match="H O: deuterium counts as hydrogen"):
        first = load_structure(heavy)[0]
    assert str(first.specie) == ("H" if isotope == "D" else "H+")
    assert first.specie.name == "H"
    assert first.label == "D"  # what it was
    assert heavy[0].specie.Z == 1  # the caller's structure is left alone


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure(CUBE, [], []), "no atoms"),
        (Structure(CUBE, [{"Fe": 0.5, "Ni": 0.5}], ORIGIN), "disordered.*Fe:0.5, Ni"),
        (Structure(CUBE, [{"Fe": 0.9}], ORIGIN), "disordered.*ordered approximant"),
        (
            Structure(Lattice(np.eye(3) * 4, pbc=(True, True, False)), ["Fe"], ORIGIN),
            "not periodic in all three directions",
        ),
        (Structure(CUBE, ["Fe"], [[math.nan, 0, 0]]), "atom 1 .Fe. are not finite"),
        (Structure(CUBE, ["Fe"], [[0, math.inf, 0]]), "atom 1 .Fe. are not finite"),
        (
            Structure(Lattice([[4, 0, 0], [0, 4, 0], [4, 4, 0]]), ["Fe"], ORIGIN),
            "no volume",
        ),
        (
            Structure(
                Lattice([[4, 0, 0], [0, math.nan, 0], [0, 0, 4]]), ["Fe"], ORIGIN
            ),
            "lattice vectors are not finite",
        ),
        (Structure(CUBE, ["X"], ORIGIN), "'X' is not a chemical element"),
        (
            Structure(CUBE, ["Na", "Cl"], [[0.01, 0, 0], [0.99, 0, 0]]),
            r"atoms 1 \(Na\) and 2 \(Cl\) are 0.08 A apart, less than 0.5 A",
        ),
        (
            Structure(Lattice.orthorhombic(0.3, 4, 4), ["Fe"], ORIGIN),
            "0.3 A from its own periodic image",
        ),
    ],
)
def test_useless_structures_are_refused_with_the_cause(structure, message):
    with pytest.raises(StructureError, match=message):
        load_structure(structure)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (molecule("H2O"), "H2O: a molecule or slab without periodicity"),
        (Atoms("Si", cell=[5, 5, 5], pbc=[1, 1, 0]), "pbc is True True False"),
        (Atoms("Si", pbc=True), "Si: no cell with a volume"),
        (Atoms("Si", [[math.nan, 0, 0]], cell=[5, 5, 5], pbc=True), "not finite"),
        (Atoms("X", cell=[5, 5, 5], pbc=True), "atom 1 is not a chemical element"),
        (Atoms(cell=[5, 5, 5], pbc=True), "no atoms"),
        (Molecule(["H", "H"], [[0, 0, 0], [0, 0, 0.74]]), "without periodicity"),
        (42, "expected a pymatgen Structure, ASE Atoms or the path .* got int"),
        (None, "got NoneType"),
    ],
)
def test_useless_objects_are_refused_with_the_cause(atoms, message):
    with pytest.raises(StructureError, match=message):
        load_structure(atoms)


def test_close_atoms_are_found_across_a_skewed_cell(nacl):
    crowded = nacl.copy()
    crowded.append("Na", [0.02, 0.99, 1.01])
    matrix = np.array([[1, 9, -4], [0, 1, 7], [0, 0, 1]])
    skewed = Structure(
        Lattice(matrix @ crowded.lattice.matrix),
        crowded.species,
        crowded.frac_coords @ np.linalg.inv(matrix),
    )
    with pytest.raises(StructureError, match=r"atoms 1 \(Na\) and 9 \(Na\)"):
        load_structure(skewed)


def test_atoms_on_the_faces_of_the_cell_are_no_pairs(nacl):
    frac = np.where(nacl.frac_coords == 0, -1e-17, nacl.frac_coords)
    assert len(load_structure(Structure(nacl.lattice, nacl.species, frac))) == 8


def test_a_file_of_several_structures_says_how_many(tmp_path):
    path = tmp_path / "run.extxyz"
    write(path, [bulk("NaCl", "rocksalt", a) for a in (5.5, 5.6, 5.7)])
    with pytest.raises(StructureError, match=r"run.extxyz: holds 3 structures"):
        load_structure(path)


def test_frames_are_read_one_by_one(tmp_path):
    path = tmp_path / "run.extxyz"
    write(path, [bulk("NaCl", "rocksalt", a) for a in (5.5, 5.6, 5.7)])
    names, structures = zip(*read_structures(path), strict=True)
    assert names == ("0", "1", "2")
    assert [s.volume for s in structures] == pytest.approx(
        [a**3 / 4 for a in (5.5, 5.6, 5.7)]
    )


def test_reading_goes_on_after_a_bad_structure(tmp_path):
    path = tmp_path / "run.extxyz"
    frames = [
        bulk("NaCl", "rocksalt", 5.6),
        molecule("H2O"),
        bulk("Si", "diamond", 5.4),
    ]
    write(path, frames)
    structures = read_structures(path)
    assert next(structures)[0] == "0"
    with pytest.raises(StructureError, match="frame 1: a molecule"):
        next(structures)
    assert next(structures)[0] == "2"
    with pytest.raises(StopIteration):
        next(structures)


def test_blocks_of_a_cif_are_read_by_name(tmp_path, nacl, cscl):
    path = tmp_path / "both.cif"
    path.write_text(nacl.to(fmt="cif") + "\n" + cscl.to(fmt="cif"))
    formulas = {name: s.formula for name, s in read_structures(path)}
    assert formulas == {"NaCl": "Na4 Cl4", "CsCl": "Cs1 Cl1"}
    with pytest.raises(StructureError, match="holds 2 structures"):
        load_structure(path)


def test_formula_of_noble_gases_is_given_without_a_warning():
    solid = Structure(Lattice.cubic(9), ["He", "Ne"], [[0] * 3, [0.5] * 3])
    assert reduced_formula(solid) in {"HeNe", "NeHe"}


@pytest.mark.parametrize("text", ["data_x\n_cell_length_a 5\n", "x" * 5000, "a\0.cif"])
def test_text_given_as_a_path_is_named(text):
    message = r"the path of a file is expected, got a text of \d+ letters; write it"
    with pytest.raises(StructureError, match=message):
        load_structure(text)


@pytest.mark.parametrize("number", [119, 300, 0, -1])
def test_atoms_of_no_element_are_refused_by_their_place(tmp_path, number):
    atoms = Atoms(
        numbers=[11, number], positions=[[0] * 3, [2] * 3], cell=[4] * 3, pbc=True
    )
    message = (
        rf"atom 2 is not a chemical element \(atomic number {number}, expected 1 to"
        r" 118\); replace dummy, ghost and unknown atoms by real ones"
    )
    with pytest.raises(StructureError, match=f"^ASE atoms: {message}"):
        load_structure(atoms)
    write(tmp_path / "a.traj", atoms)
    with pytest.raises(StructureError, match=rf"a\.traj: {message}"):
        load_structure(tmp_path / "a.traj")
