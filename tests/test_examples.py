"""Every example runs, offline, in its shortest form."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = ("data.max_atoms=10", "training.max_epochs=1", "model.attention_hidden=[8]")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run_example(tmp_path, cache):
    """Run an example elsewhere than in the repository and return what it printed."""

    def run(*words: object) -> str:
        here = str(Path(sys.executable).parent)
        environment = os.environ | {
            "PYG_SITENET_CACHE": str(cache),
            "PATH": os.pathsep.join([here, os.environ["PATH"]]),
        }
        done = subprocess.run(
            [str(word) for word in words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_every_example_is_listed_and_short():
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.sh")):
        assert f"({path.name})" in listed
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 120


def test_train_and_predict(run_example, tmp_path):
    options = [word for setting in SMALL for word in ("--set", setting)]
    script = EXAMPLES / "train_and_predict.sh"
    shown = run_example("bash", script, tmp_path / "run", *options)
    assert "SiO2" in shown
    assert len((tmp_path / "run" / "examples.csv").read_text().splitlines()) == 1 + 8
    assert (tmp_path / "run" / "figures" / "parity.png").is_file()


def test_site_net_conv_in_pyg_model(run_example, cache):
    script = EXAMPLES / "site_net_conv_in_pyg_model.py"
    shown = run_example(sys.executable, script, "--fast", "--cache", cache)
    assert [line.split()[0] for line in shown.splitlines()[-2:]] == [
        "SiteNetConv",
        "CGConv",
    ]


def test_ase_trajectory(run_example):
    shown = run_example(sys.executable, EXAMPLES / "ase_trajectory.py", "--fast")
    assert "perfect crystal: band_gap [eV] = " in shown
    assert "mean over the run" in shown
