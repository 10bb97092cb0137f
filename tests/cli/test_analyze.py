import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from pyg_sitenet.file_locks import locked_folder

FIGURES = (
    "learning_curve",
    "parity",
    "attention",
    "attention_without_self",
    "long_range",
    "long_range_heads_complexity",
    "long_range_heads_volume",
    "errors",
    "errors_by_element",
)
TABLES = {
    "crystals.csv",
    "failures.csv",
    "learning_curve.csv",
    "parity.csv",
    "attention.csv",
    "attention_by_distance.csv",
    "long_range.csv",
    "errors.csv",
    "errors_by_element.csv",
}


@pytest.fixture(scope="module")
def analysis(sitenet, run, crystals, tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis") / "gap"
    done = sitenet("analyze", run, crystals, "--output", folder, "--json")
    assert done.exit_code == 0, done.output
    return folder, json.loads(done.stdout)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_an_image_with_something_on_it(analysis, name):
    folder, result = analysis
    assert f"{name}.png" in result["files"]
    picture = imread(folder / f"{name}.png")
    assert min(picture.shape[:2]) > 300
    assert 0.005 < (picture[..., :3] < 0.9).any(axis=-1).mean() < 0.9


def test_tables_stand_beside_the_figures(analysis):
    folder, result = analysis
    assert {name for name in result["files"] if name.endswith(".csv")} == TABLES
    assert len(pd.read_csv(folder / "crystals.csv")) == result["analysed"] == 40
    assert pd.read_csv(folder / "failures.csv").empty
    for name in TABLES - {"failures.csv"}:
        assert len(pd.read_csv(folder / name)) > 0


def test_learning_curve_is_the_one_of_the_run(analysis, run):
    history = json.loads((run / "metrics.json").read_text())["history"]
    table = pd.read_csv(analysis[0] / "learning_curve.csv")
    assert len(table) == 2  # epochs
    expected = [epoch["val/mae/gap"] for epoch in history]
    assert table["val/mae/gap"].tolist() == pytest.approx(expected, rel=1e-5)


def test_parity_holds_the_values_of_the_data_and_their_predictions(analysis, crystals):
    folder, result = analysis
    table = pd.read_csv(folder / "parity.csv").set_index("id")
    gaps = pd.read_csv(crystals / "gaps.csv")
    gaps.index = gaps["file"].str.removesuffix(".cif")
    np.testing.assert_allclose(table["gap [eV]"], gaps.loc[table.index, "gap"])
    error = (table["predicted gap [eV]"] - table["gap [eV]"]).abs().mean()
    assert error == pytest.approx(result["metrics"]["gap"]["mae"], rel=1e-5)


def test_errors_of_an_element_are_those_of_its_crystals(analysis):
    folder, _ = analysis
    crystals = pd.read_csv(folder / "crystals.csv")
    table = pd.read_csv(folder / "errors_by_element.csv").set_index("element")
    assert set(table.index) == set(" ".join(crystals["elements"]).split())
    symbol = table["crystals"].idxmax()
    rows = crystals[[symbol in element.split() for element in crystals["elements"]]]
    error = (rows["predicted gap [eV]"] - rows["gap [eV]"]).abs().mean()
    assert table.loc[symbol, "crystals"] == len(rows) > 1
    assert table.loc[symbol, "mae"] == pytest.approx(error, rel=1e-5)


def test_shares_of_attention_are_whole(analysis):
    folder, _ = analysis
    table = pd.read_csv(folder / "attention_by_distance.csv")
    shares = table.groupby(["block", "head"])["share of attention"].sum()
    assert shares.to_numpy() == pytest.approx(np.ones(2 * 2), rel=1e-4)
    table = pd.read_csv(folder / "attention.csv")
    where = ["block", "head", "distance from [A]"]
    whole = table.groupby(where)["share"].sum().to_numpy()
    assert whole == pytest.approx(np.ones(len(whole)), rel=1e-4)


def test_report_stands_beside_the_figures(analysis):
    folder, result = analysis
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "report.html" in result["files"]
    assert "baseline composition, test part" in page
    assert "Learning curve of gap" in page
    assert page.count('class="look"') == 4  # crystals in 3-D


def test_errors_are_those_of_evaluate(analysis, sitenet, run, crystals):
    expected = json.loads(sitenet("evaluate", run, crystals, "--json").stdout)
    ours, theirs = analysis[1]["metrics"]["gap"], expected["metrics"]["gap"]
    assert ours.pop("unit") == theirs.pop("unit") == "eV"
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_data_without_values_are_analysed_with_a_note(sitenet, run, crystals, tmp_path):
    file = next(crystals.glob("*.cif"))
    done = sitenet("analyze", run, file, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "Note: no errors of gap: the data state no values of it" in done.stdout
    assert "1 analysed, 0 failed" in done.stderr
    assert not (tmp_path / "out" / "parity.png").exists()


def test_model_outside_its_run_folder_has_no_learning_curve(
    sitenet, run, crystals, tmp_path
):
    model = tmp_path / "copy.safetensors"
    model.write_bytes((run / "model.safetensors").read_bytes())
    file = next(crystals.glob("*.cif"))
    done = sitenet("analyze", model, file, "--output", tmp_path / "out")
    assert "Note: no learning curve" in done.stdout


def test_damaged_metrics_are_one_line(sitenet, run, crystals, tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes((run / "model.safetensors").read_bytes())
    (tmp_path / "metrics.json").write_text("{}")
    done = sitenet("analyze", model, crystals, "--output", tmp_path / "out")
    assert done.exit_code == 1
    assert "metrics.json: no metrics of a run ('history')" in done.stderr


def test_output_that_cannot_be_written_is_one_line(sitenet, run, crystals, tmp_path):
    (tmp_path / "file").write_text("")
    done = sitenet("analyze", run, crystals, "--output", tmp_path / "file" / "out")
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
    assert "choose another (--output)" in done.stderr


def test_single_crystal_is_examined_and_others_by_id(sitenet, run, crystals, tmp_path):
    file = next(crystals.glob("*.cif"))
    alone = sitenet("analyze", run, file, "--output", tmp_path / "one", "--json")
    assert alone.exit_code == 0, alone.output
    files = json.loads(alone.stdout)["files"]
    pairs = [name for name in files if name.endswith("/pairs.csv")]
    assert len(pairs) == 1
    assert len(pd.read_csv(tmp_path / "one" / pairs[0])) > 0
    ids = ["--crystal", "mp-441", "--crystal", "nobody"]
    many = sitenet("analyze", run, crystals, "--output", tmp_path / "many", *ids)
    assert many.exit_code == 0, many.output
    assert "not examined: nobody: no crystal with this id" in many.stdout
    assert "40 read: 40 analysed, 0 failed" in many.stderr
    assert (tmp_path / "many" / "crystals" / "mp-441" / "sites.csv").is_file()


def test_prepared_crystals_are_analysed_as_far_as_their_graphs_go(
    sitenet, run, crystals, small, tmp_path
):
    prepared, output = tmp_path / "prepared", tmp_path / "out"
    target = ("--target", "gap")
    done = sitenet("prepare", crystals, "--output", prepared, *target, *small)
    assert done.exit_code == 0, done.output
    done = sitenet("analyze", run, prepared, "--output", output, "--crystal", "mp-441")
    assert done.exit_code == 0, done.output
    assert "no complexity: prepared graphs hold no structure" in done.stderr
    assert "not examined: mp-441: prepared graphs hold no structure" in done.stdout
    table = pd.read_csv(output / "crystals.csv")
    assert len(table) == 40
    assert table["configurational complexity [bit]"].isna().all()
    done = sitenet("embed", run, prepared, "--output", tmp_path / "vectors.npz")
    assert done.exit_code == 1
    assert "embed the source it was prepared from" in done.stderr


def test_second_run_in_a_folder_is_refused(sitenet, run, crystals, tmp_path):
    with locked_folder(tmp_path / "out"):
        done = sitenet("analyze", run, crystals, "--output", tmp_path / "out")
    assert done.exit_code == 1
    assert "another run is writing to this folder" in done.stderr


@pytest.mark.parametrize("command", ["analyze", "converge"])
def test_folder_of_a_run_or_of_the_data_is_left_alone(
    sitenet, run, crystals, tmp_path, command
):
    done = sitenet(command, run, crystals, "--output", crystals)
    assert done.exit_code == 1
    assert "is the folder of the data; choose another output folder" in done.stderr
    for name in ("crystals.csv", "errors.csv"):
        (tmp_path / name).write_text("mine")
    done = sitenet(command, run, crystals, "--output", tmp_path)
    assert done.exit_code == 1
    assert "csv: was written by something else and would be overwritten" in done.stderr
    assert (tmp_path / "crystals.csv").read_text() == "mine"
