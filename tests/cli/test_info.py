import json
import re
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app
from pyg_sitenet.ready_models import READY_MODELS

EXAMPLES = Path(__file__).parents[2] / "examples" / "structures"


def test_model_says_what_it_predicts_and_how_well(sitenet, run):
    done = sitenet("info", run, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["targets"] == ["gap"]
    assert "O" in result["elements"]
    assert result["metrics"]["targets"]["gap"]["test"]["mae"] > 0
    assert result["parameters"] > 0
    assert "torch" in result["versions"]


def test_model_file_and_its_run_folder_are_the_same(sitenet, run):
    by_file = sitenet("info", run / "model.safetensors", "--json")
    assert by_file.stdout == sitenet("info", run, "--json").stdout


def test_structure_says_what_it_becomes(sitenet):
    done = sitenet("info", EXAMPLES / "NaCl.cif", "--max-atoms", 50, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["formula"] == "NaCl"
    assert (result["sites"], result["primitive sites"]) == (8, 2)
    assert result["primitive volume (A^3)"] == pytest.approx(5.64**3 / 4)
    assert result["shortest distance (A)"] == pytest.approx(5.64 / 2)
    assert result["supercell pairs"] == 2 * result["supercell atoms"] <= 2 * 50
    assert 6 < result["sphere radius (A)"] < 7


def test_one_atom_alone_has_no_distance(sitenet, tmp_path):
    bulk("Cu", "fcc", a=3.6).write(tmp_path / "Cu.cif")
    done = sitenet("info", tmp_path / "Cu.cif", "--max-atoms", 1, "--json")
    assert json.loads(done.stdout)["shortest distance (A)"] is None


def test_facts_are_a_table_for_people(sitenet, run):
    for subject in (run, EXAMPLES / "NaCl.cif"):
        done = sitenet("info", subject)
        assert done.exit_code == 0, done.output
        assert "{" not in done.stdout


def test_folder_that_is_no_run_is_one_line(sitenet, tmp_path):
    done = sitenet("info", tmp_path)
    assert done.exit_code == 1
    assert "holds no model.safetensors" in done.stderr


@pytest.mark.filterwarnings("default")
def test_warning_is_one_line_on_stderr(sitenet):
    quartz = EXAMPLES / "SiO2_quartz.cif"
    done = sitenet("info", quartz, "--max-atoms", 5, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["supercell atoms"] == 9
    assert done.stderr.startswith("Warning: ")
    assert done.stderr.count("\n") == 1


def test_ready_model_shows_its_card(sitenet):
    done = sitenet("info", "formation-energy")
    assert done.exit_code == 0, done.output
    assert "trained on" in done.stdout
    assert "## Limits" in done.stdout


def test_name_of_no_model_lists_those_there_are(sitenet):
    done = sitenet("info", "bandgap")
    assert done.exit_code == 1
    assert (
        "bandgap: no such file; expected a model file, a run folder or a ready mode"
        in (done.stderr)
    )


def test_all_crystals_of_the_calibration_are_counted(sitenet):
    """The card says how many; intervals keep them in groups of predicted value."""
    card = READY_MODELS["formation-energy"].card.read_text(encoding="utf-8")
    [number] = re.findall(r"calibrated on (\d+) of the test crystals", card)
    done = sitenet("info", "formation-energy", "--json")
    assert json.loads(done.stdout)["intervals"] == f"calibrated on {number} crystals"


def test_name_that_the_terminal_has_no_letters_for_is_escaped(nacl, tmp_path):
    path = tmp_path / "salz-\N{CYRILLIC SMALL LETTER ES}.cif"
    nacl.to(str(path))
    done = CliRunner(charset="ascii").invoke(app, ["info", str(path)])
    assert done.exit_code == 0, done.output
    assert "NaCl" in done.output
    assert "\\u0441" in done.output.replace("\n", "")
