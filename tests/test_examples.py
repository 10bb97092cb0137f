"""Every example runs, offline, in its shortest form."""

import csv
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pyg_sitenet.data.sources import open_source

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def crystals(tmp_path_factory):
    """Structure files with a table, some with silicon."""
    folder = tmp_path_factory.mktemp("crystals")
    records = open_source("dielectric", ("band_gap",))
    silicates = (crystal for crystal in records if "Si" in crystal.structure.symbol_set)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "gap"])
        for record in itertools.islice(silicates, 16):
            record.structure.to(str(folder / f"{record.id}.cif"))
            writer.writerow([f"{record.id}.cif", record.targets["band_gap"]])
    return folder


@pytest.fixture(scope="module")
def run_example(tmp_path_factory):
    """Run an example elsewhere than in the repository and return what it printed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": os.pathsep.join([scripts, os.environ["PATH"]]),
        "PYG_SITENET_CACHE": str(folder / "cache"),
    }

    def run(*words: object) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def trained(run_example, crystals, tmp_path_factory):
    """Run the first example; its run folder and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "gap"
    settings = ("training.max_epochs=1", "data.max_atoms=20", "data.workers=1")
    options = [word for setting in settings for word in ("--set", setting)]
    script = EXAMPLES / "train_and_predict.sh"
    return run, run_example("bash", script, crystals, "gap", run, *options)


def test_every_example_is_listed_and_short():
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.sh")):
        assert f"({path.name})" in listed
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120


def test_code_of_the_readme(crystals, tmp_path, monkeypatch):
    """The blocks for PyG, one after the other, on few crystals."""
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## For a PyTorch Geometric developer")[2]
    blocks = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.S)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    results = []
    torch.manual_seed(0)
    for block in blocks:
        code = block.replace('"dielectric"', repr(str(crystals)))
        exec(code.replace('"band_gap"', '"gap"'), names)
        results.append(names["crystals"])
    unmerged, merged = results
    assert unmerged.shape == (8, 3 * 16)
    torch.testing.assert_close(merged, unmerged, rtol=1e-3, atol=1e-4)


def test_train_and_predict(trained):
    run, shown = trained
    assert "test MAE" in shown
    assert "SiO2_quartz,SiO2," in shown
    assert len((run / "examples.csv").read_text().splitlines()) == 1 + 8
    assert (run / "figures" / "parity.png").is_file()


def test_site_net_conv_in_pyg_model(run_example, crystals, tmp_path):
    shown = run_example(
        sys.executable,
        EXAMPLES / "site_net_conv_in_pyg_model.py",
        *("--data", crystals, "--target", "gap", "--cache", tmp_path, "--epochs", 1),
    )
    names = [line.split()[0] for line in shown.splitlines() if "test MAE" in line]
    assert names == ["mean", "SiteNetConv", "CGConv"]


def test_schnet_on_crystals(run_example, crystals, tmp_path):
    shown = run_example(
        sys.executable,
        EXAMPLES / "schnet_on_crystals.py",
        *("--data", crystals, "--target", "gap", "--cache", tmp_path, "--epochs", 1),
    )
    assert "SchNet: test MAE" in shown


def test_gps_on_mof(run_example):
    shown = run_example(sys.executable, EXAMPLES / "gps_on_mof.py", "--epochs", 2)
    assert "106 atoms" in shown
    assert "GPSConv with SiteNetConv:" in shown


def test_learn_molecules(run_example):
    shown = run_example(sys.executable, EXAMPLES / "learn_molecules.py", "--epochs", 1)
    assert "130 molecules to train, 32 to test" in shown
    assert "SiteNetConv: test MAE" in shown


@pytest.mark.slow
def test_relaxation_ends_at_the_lowest_energy_of_the_undistorted(run_example):
    script = EXAMPLES / "relax_strained_salt.py"
    shown = run_example(sys.executable, script, "--crystals", 30, "--epochs", 15)
    energies = dict(re.findall(r"^(.+): (\S+) eV/atom", shown, re.M))
    relaxed = float(energies["relaxed"])
    lowest = float(energies["lowest of undistorted"])
    assert relaxed == pytest.approx(lowest, abs=1e-5)
    assert relaxed < float(energies["strained"])


def test_ase_trajectory(run_example, trained):
    run, _ = trained
    script = EXAMPLES / "ase_trajectory.py"
    shown = run_example(sys.executable, script, run, "--frames", 2)
    assert "perfect crystal: gap = " in shown
    assert "mean over the run" in shown


@pytest.mark.slow
def test_ase_trajectory_without_a_model_trains_one(run_example):
    script = EXAMPLES / "ase_trajectory.py"
    shown = run_example(sys.executable, script, "--frames", 2, "--epochs", 1)
    assert "perfect crystal: band_gap [eV] = " in shown


def test_analyze_model(run_example, crystals, trained, tmp_path):
    run, _ = trained
    script, output = EXAMPLES / "analyze_model.sh", tmp_path / "analysis"
    few = ("--crystals", 2, "--atoms", "10,20")
    shown = run_example("bash", script, run, crystals, output, *few)
    assert "Figures and tables:" in shown
    assert (output / "all" / "long_range.png").is_file()
    assert (output / "rutile" / "crystals" / "TiO2_rutile" / "pairs.csv").is_file()
    assert (output / "layers" / "convergence.png").is_file()
    assert (output / "vectors.npz").is_file()
