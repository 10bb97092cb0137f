"""Files of other formats after public reports: what is meant, or the true reason."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure.load import load_structure, read_structures
from pyg_sitenet.errors import SiteNetWarning, StructureError

FOLDER = Path(__file__).parent / "formats"

# Formula of the cell, number of sites and shortest distance in angstrom.
RIGHT = {
    "34-negative-scale-cartesian/POSCAR": ("Ga2 N2", 4, 1.949),
    "35-three-scale-factors/POSCAR": ("Ga2 N2", 4, 1.949),
    "38-vasp6-hash/POSCAR": ("Ga2 N2", 4, 1.949),
    "53-atomic-units.cell": ("Cs1 Cl1", 2, 3.571),
    "54-occupancy-from-ase.extxyz": ("Sn1.6 Te4 Pb2.4", 8, 2.950),
    "58-optimade-vacancy.json": ("Cs1 Cl1", 2, 3.571),
}
REFUSED = {
    "37-more-symbols-than-counts/POSCAR": r"3 elements \(Ga Al N\) but 2 numbers",
    "39-types-without-elements.lammpstrj": "its types name no elements",
    "42-no-number-of-atoms.lammpstrj": "damaged or truncated: no ITEM: NUMBER OF",
    "44-asymmetric-unit.pdb": r"\.pdb is not a format .* symmetry .* convert it to CIF",
    "46-salt.gro": r"\.gro is not a format that is read: it names atoms, not elements",
    "49-symmetric.cssr": r"\.cssr is not a format that is read: its symmetry",
    "50-half-occupied.res": r"\.res is not a format .* symmetry, occupancies and latt",
    "52-exponent.res": r"\.res is not a format .* symmetry, occupancies and lattice",
    "55-ghost-number.xsf": "frame 0: '255' is not a chemical element",
    "56-slab.json": "not periodic in all three directions",
}


@pytest.mark.parametrize("name", RIGHT)
def test_reported_file_gives_the_crystal_that_is_meant(name):
    formula, num_sites, shortest = RIGHT[name]
    structure = load_structure(FOLDER / name, disordered=True)
    distances = structure.distance_matrix + 1e6 * np.eye(len(structure))
    assert structure.composition.formula == formula
    assert len(structure) == num_sites
    assert distances.min() == pytest.approx(shortest, abs=1e-3)


@pytest.mark.parametrize("name", REFUSED)
def test_reported_file_is_refused_with_the_true_reason(name):
    with pytest.raises(StructureError, match=REFUSED[name]):
        load_structure(FOLDER / name)


def test_frames_before_a_run_was_killed_are_kept():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SiteNetWarning)
        *frames, last = open_source(FOLDER / "43-killed-run.lammpstrj")
    formulas = [frame.structure.composition.formula for frame in frames]
    assert formulas == ["Cs1 Cl1", "Cs1 Cl1"]
    assert all("states no units" in frame.warnings[0] for frame in frames)
    assert "no ITEM: ATOMS" in last.reason


def test_displaced_atoms_stay_displaced():
    frames = [s for _, s in read_structures(FOLDER / "60-displaced-supercell.extxyz")]
    shortest = [(s.distance_matrix + 1e6 * np.eye(len(s))).min() for s in frames]
    moved = [0, 0.05, 0.09, 0.11, 0.15]
    assert [len(frame) for frame in frames] == [16] * 5
    assert np.subtract(shortest[0], shortest) == pytest.approx(moved, abs=1e-3)


def test_every_file_of_the_corpus_is_named_here_or_with_the_cifs():
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.*")}
    files |= {f"{path.parent.name}/POSCAR" for path in FOLDER.rglob("POSCAR")}
    several = {"43-killed-run.lammpstrj", "60-displaced-supercell.extxyz"}
    assert files == RIGHT.keys() | REFUSED.keys() | several
    assert len(list(FOLDER.parent.glob("cif/*.cif"))) + len(files) == 38


POSCAR = (FOLDER / "38-vasp6-hash" / "POSCAR").read_text()


def test_folder_of_a_vasp_run_gives_its_structures_and_no_failure(tmp_path, read):
    for name in ("INCAR", "KPOINTS", "POTCAR", "OSZICAR", "OUTCAR", "vasprun.xml"):
        (tmp_path / name).write_text("not a structure\n")
    for name in ("POSCAR", "CONTCAR"):
        (tmp_path / name).write_text(POSCAR)
    outcome = read(tmp_path)
    assert [record.id for record in outcome.records] == ["CONTCAR", "POSCAR"]
    assert outcome.reasons == []


@pytest.mark.parametrize("name", ["OUTCAR", "vasprun.xml", "OUTCAR.gz", "CHGCAR"])
def test_record_of_a_vasp_run_names_the_file_to_give(tmp_path, name):
    (tmp_path / name).write_text("not a structure\n")
    with pytest.raises(StructureError, match=f"{name} of VASP .* give the CONTCAR or"):
        load_structure(tmp_path / name)


def test_record_without_a_structure_beside_it_is_a_failure(tmp_path, read):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "OUTCAR").write_text("not a structure\n")
    (tmp_path / "b" / "POSCAR").write_text(POSCAR)
    outcome = read(tmp_path)
    assert [record.id for record in outcome.records] == ["b/POSCAR"]
    assert ["give the CONTCAR" in reason for reason in outcome.reasons] == [True]


def test_info_reads_an_export_of_one_structure():
    path = FOLDER / "58-optimade-vacancy.json"
    result = CliRunner().invoke(app, ["info", str(path), "--json"])
    assert result.exit_code == 0
    assert '"formula": "CsCl"' in result.output
