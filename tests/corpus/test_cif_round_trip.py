"""Crystals written as CIF by other programs come back with the same sites."""

import numpy as np
import pytest
from ase.io import write
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter

from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure.load import load_structure

NUM_CRYSTALS = 300


def write_p1(structure, path):
    CifWriter(structure).write_file(path)


def write_in_space_group(structure, path):
    CifWriter(structure, symprec=0.01, refine_struct=False).write_file(path)


def write_by_ase(structure, path):
    write(path, AseAtomsAdaptor.get_atoms(structure))


def farthest(structure, loaded):
    """Return the largest distance from a site to the nearest of its element."""
    apart = structure.frac_coords[:, None] - loaded.frac_coords
    apart -= np.rint(apart)
    distances = np.linalg.norm(apart @ structure.lattice.matrix, axis=-1)
    numbers = np.array(structure.atomic_numbers)[:, None]
    is_same = numbers == np.array(loaded.atomic_numbers)
    return np.where(is_same, distances, np.inf).min(axis=1).max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("save", [write_p1, write_in_space_group, write_by_ase])
def test_written_crystal_has_the_same_sites(tmp_path, save):
    path = tmp_path / "a.cif"
    records = list(open_source("dielectric"))
    for record in records[:: len(records) // NUM_CRYSTALS]:
        structure = record.structure
        save(structure, path)
        loaded = load_structure(path)
        assert len(loaded) == len(structure), record.id
        angles = np.abs(np.subtract(loaded.lattice.angles, structure.lattice.angles))
        assert angles.max() < 1e-3, record.id
        assert loaded.volume == pytest.approx(structure.volume, rel=1e-4)
        assert farthest(structure, loaded) < 0.02, record.id
