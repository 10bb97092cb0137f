"""Crystals written as CIF by other programs come back with the same sites."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from ase.io import write
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifWriter
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.structure.dictionary import structure_from_dict
from pyg_sitenet.data.structure.load import load_structure

# A folder with the official files as JSON lines, such as matbench_phonons.jsonl.gz.
OFFICIAL = "PYG_SITENET_OFFICIAL_DATA"
# Crystals of each set: 2,000 of all.
SAMPLE = {
    "dielectric": 250,
    "formation_energy": 250,
    "matbench_phonons": 375,
    "matbench_dielectric": 375,
    "matbench_perovskites": 375,
    "matbench_log_gvrh": 375,
}


def write_p1(structure, path):
    CifWriter(structure).write_file(path)
    return structure


def write_in_space_group(structure, path):
    CifWriter(structure, symprec=0.01, refine_struct=False).write_file(path)
    return structure


def write_refined(structure, path):
    CifWriter(structure, symprec=0.1).write_file(path)
    return SpacegroupAnalyzer(structure, 0.1).get_refined_structure()


def write_by_ase(structure, path):
    write(path, AseAtomsAdaptor.get_atoms(structure))
    return structure


def farthest(structure, loaded):
    """Return the largest distance from a site to the nearest of its element."""
    apart = structure.frac_coords[:, None] - loaded.frac_coords
    apart -= np.rint(apart)
    distances = np.linalg.norm(apart @ structure.lattice.matrix, axis=-1)
    numbers = np.array(structure.atomic_numbers)[:, None]
    is_same = numbers == np.array(loaded.atomic_numbers)
    return np.where(is_same, distances, np.inf).min(axis=1).max()


def crystals(name):
    """Yield the name and the structure of each crystal of a sample."""
    if not name.startswith("matbench"):
        records = list(open_source(name))
        for record in records[:: len(records) // SAMPLE[name]]:
            yield record.id, record.structure
        return
    folder = os.environ.get(OFFICIAL)
    if not folder:
        pytest.skip(f"{OFFICIAL} names no folder with the official data")
    with gzip.open(Path(folder) / f"{name}.jsonl.gz", "rt") as file:
        lines = file.readlines()
    for line in lines[:: len(lines) // SAMPLE[name]]:
        row = json.loads(line)
        yield row["id"], structure_from_dict(row["structure"], row["id"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:No Pauling electronegativity:UserWarning")
@pytest.mark.parametrize(
    "save", [write_p1, write_in_space_group, write_refined, write_by_ase]
)
@pytest.mark.parametrize("name", SAMPLE)
def test_written_crystal_has_the_same_sites(tmp_path, name, save):
    path = tmp_path / "a.cif"
    for id_, structure in crystals(name):
        written = save(structure, path)
        loaded = load_structure(path)
        assert len(loaded) == len(written), id_
        angles = np.abs(np.subtract(loaded.lattice.angles, written.lattice.angles))
        assert angles.max() < 1e-3, id_
        assert loaded.volume == pytest.approx(written.volume, rel=1e-4)
        assert farthest(written, loaded) < 0.02, id_
