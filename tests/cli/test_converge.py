import json

import pandas as pd
import pytest

from pyg_sitenet.file_locks import locked_folder


@pytest.mark.parametrize("untrained", [[], ["--untrained"]])
def test_convergence_is_written_and_its_rule_said(
    sitenet, run, crystals, tmp_path, untrained
):
    done = sitenet(
        "converge", run, crystals, "--output", tmp_path / "out", "--atoms", "10,20,40",
        "--crystals", 3, "--json", *untrained,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["crystals"] == 3
    assert [rule["environment"] for rule in result["rules"]] == ["supercell", "sphere"]
    assert pd.read_csv(tmp_path / "out" / "steps.csv")["id"].nunique() == 3
    assert (tmp_path / "out" / "convergence.png").is_file()


def test_rule_is_a_sentence_for_people(sitenet, run, crystals, tmp_path):
    done = sitenet(
        "converge", run, crystals, "--output", tmp_path / "out", "--atoms", "10,20",
        "--crystals", 2, "--tolerance", 1000,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "sphere: from 10 atoms and an inscribed radius of" in text
    assert "supercell: the mean error of gap [eV] is smallest at" in text


@pytest.mark.parametrize("atoms", ["ten", "10,-5", ""])
def test_sizes_that_are_no_numbers_are_wrong_usage(sitenet, run, crystals, atoms):
    done = sitenet("converge", run, crystals, "--atoms", atoms)
    assert done.exit_code == 2
    assert "--atoms needs numbers" in done.stderr


def test_one_size_has_nothing_to_be_compared_with(sitenet, run, crystals, tmp_path):
    words = ["--atoms", "20,20", "--output", tmp_path / "out"]
    done = sitenet("converge", run, crystals, *words)
    assert done.exit_code == 1
    assert "expected two sizes of environment or more to compare, got [20]" in (
        " ".join(done.stderr.split())
    )


def test_second_run_in_a_folder_is_refused(sitenet, run, crystals, tmp_path):
    with locked_folder(tmp_path / "out"):
        done = sitenet("converge", run, crystals, "--output", tmp_path / "out")
    assert done.exit_code == 1
    assert "another run is writing to this folder" in done.stderr
