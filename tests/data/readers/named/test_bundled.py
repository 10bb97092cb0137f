import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyg_sitenet.data.readers.named.bundled import BUNDLED
from pyg_sitenet.data.readers.named.matbench_tasks import MATBENCH
from pyg_sitenet.data.sources import open_source

DIELECTRIC = BUNDLED["dielectric"]
FORMATION_ENERGY = BUNDLED["formation_energy"]
BAND_GAPS = BUNDLED["band_gaps"]


def test_dielectric_data_are_the_published_ones():
    rows = list(DIELECTRIC.rows())
    gaps = np.array([row["band_gap"] for row in rows])
    indices = np.array([row["refractive_index"] for row in rows])
    assert len(rows) == len({row["id"] for row in rows}) == DIELECTRIC.num_crystals
    assert (gaps.min(), gaps.max()) == (0.11, 8.32)
    assert (indices.min(), indices.max()) == (1.28, 16.03)
    # What always answering the mean errs by, as published for this set.
    assert np.abs(gaps - gaps.mean()).mean() == pytest.approx(1.25, abs=0.02)


def test_first_compound_is_rubidium_telluride():
    row = next(DIELECTRIC.rows())
    assert (row["id"], row["band_gap"], row["refractive_index"]) == (
        "mp-441",
        1.88,
        1.86,
    )
    assert row["structure"]["species"] == ["Rb", "Rb", "Te"]
    assert row["structure"]["lattice"][1] == [1.757259, 4.970278, 3.043661]


def test_formation_energies_are_the_published_ones():
    rows = list(FORMATION_ENERGY.rows())
    energies = np.array([row["formation_energy"] for row in rows])
    assert len(rows) == len({row["id"] for row in rows}) == 3938
    assert len(rows) == FORMATION_ENERGY.num_crystals
    assert (energies.min(), energies.max()) == (-4.45135, 2.339422)
    assert max(len(row["structure"]["species"]) for row in rows) == 25
    # What always answering the mean errs by.
    assert np.abs(energies - energies.mean()).mean() == pytest.approx(0.90, abs=0.005)


def test_formation_energy_is_per_atom():
    row = list(FORMATION_ENERGY.rows())[1]
    assert row["id"] == "mp-10000"
    assert row["structure"]["species"] == ["S", "S", "Hf", "Hf", "Hf", "Hf"]
    assert row["formation_energy"] == -1.253352  # of the cell: -7.5201 eV
    assert FORMATION_ENERGY.units == {"formation_energy": "eV/atom"}


@pytest.fixture(scope="module")
def small_crystals():
    return list(BAND_GAPS.rows())


def test_band_gaps_are_small_crystals_with_an_eighth_of_metals(small_crystals):
    species = [row["structure"]["species"] for row in small_crystals]
    ids = {row["id"] for row in small_crystals}
    assert len(small_crystals) == len(ids) == BAND_GAPS.num_crystals == 4000
    assert max(map(len, species)) == 10
    assert max(len(set(symbols)) for symbols in species) == 3
    assert sum(row["is_metal"] for row in small_crystals) == 500
    assert all(row["is_metal"] == (row["band_gap"] == 0) for row in small_crystals)


def test_no_band_gap_is_of_the_test_part_of_fold_0(small_crystals):
    task = MATBENCH["matbench_mp_gap"]
    _, test = task.folds(np.zeros(task.num_crystals))[0]
    tested = {task.id_of_row(row) for row in test}
    assert len(tested) == 21223
    assert not tested & {row["id"] for row in small_crystals}


def test_examples_are_not_among_the_band_gaps(small_crystals):
    def composition(symbols):
        return frozenset(
            (symbol, symbols.count(symbol) / len(symbols)) for symbol in symbols
        )

    folder = Path(__file__).parents[4] / "examples" / "structures"
    examples = {
        composition([site.specie.symbol for site in record.structure])
        for record in open_source(folder)
    }
    assert len(examples) == 8
    bundled = {composition(row["structure"]["species"]) for row in small_crystals}
    assert not examples & bundled
    assert composition(["C"]) in bundled  # what silicon is like


def test_metals_are_classes_to_learn():
    source = open_source(
        "band_gaps", ["is_metal"], classes={"is_metal": ["false", "true"]}
    )
    assert sum(entry.targets["is_metal"] for entry in source.entries()) == 500


def test_coordinates_are_kept_as_published():
    outside = sum(
        not 0 <= value < 1
        for row in DIELECTRIC.rows()
        for position in row["structure"]["frac_coords"]
        for value in position
    )
    assert outside == 64


@pytest.mark.parametrize(
    ("name", "size", "doi"),
    [
        ("band_gaps", 1_000_000, "10.1063/1.4812323"),
        ("band_gaps", 1_000_000, "10.1038/s41524-020-00406-3"),
        ("dielectric", 120_000, "10.1038/sdata.2016.134"),
        ("formation_energy", 600_000, "10.1002/qua.24917"),
    ],
)
def test_file_is_small_and_comes_with_licence_and_citation(name, size, doi):
    path = BUNDLED[name].path()
    assert path.stat().st_size < size
    readme = path.with_name("README.md").read_text()
    assert "CC BY 4.0" in readme
    assert doi in readme
    assert doi in BUNDLED[name].citation
    is_from_matminer = "matminer/datasets" in readme
    assert path.with_name("LICENSE-matminer.txt").is_file() == is_from_matminer


@pytest.mark.parametrize(
    ("name", "first"), [("dielectric", "mp-441"), ("formation_energy", "mp-10")]
)
def test_file_holds_no_time_stamp(name, first):
    content = BUNDLED[name].path().read_bytes()
    assert content[4:8] == bytes(4)
    assert json.loads(gzip.decompress(content).splitlines()[0])["id"] == first


def test_bundled_data_can_be_imported_first():
    module = "pyg_sitenet.data.readers.named.bundled"
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_script_refuses_another_archive(tmp_path):
    script = Path(__file__).parents[4] / "scripts" / "make_bundled_data.py"
    archive = tmp_path / "matminer-0.3.7.tar.gz"
    archive.write_bytes(b"")
    run = subprocess.run(
        [sys.executable, script, archive, "--output", tmp_path / "out"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert not (tmp_path / "out").exists()
