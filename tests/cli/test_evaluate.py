import csv
import json

import pytest

from pyg_sitenet.model_file import load_model, read_description, save_model


@pytest.fixture(scope="module")
def ensemble(sitenet, crystals, small, tmp_path_factory):
    """Run folder of two members with calibrated intervals."""
    folder = tmp_path_factory.mktemp("runs") / "two"
    words = ["--members", 2, "--set", "data.calibration_fraction=0.3"]
    words += ["--output", folder, *small, "--set", "training.max_epochs=1"]
    done = sitenet("train", crystals, *words)
    assert done.exit_code == 0, done.output
    return folder


def test_members_are_those_asked_for(ensemble):
    assert read_description(ensemble).members == 2
    assert {path.name for path in (ensemble / "members").iterdir()} == {"0", "1"}


def test_nominal_and_measured_coverage_are_printed(sitenet, ensemble, crystals):
    words = ("evaluate", ensemble, crystals)
    coverage = json.loads(sitenet(*words, "--json").stdout)["metrics"]["gap"][
        "coverage"
    ]
    assert [row["level"] for row in coverage] == [0.5, 0.6, 0.7, 0.8, 0.9]
    done = sitenet(*words)
    assert done.exit_code == 0, done.output
    assert all(word in done.stdout for word in ("nominal", "measured", "mean width"))
    rows = [line.split() for line in done.stdout.splitlines()]
    for level in coverage:
        shown = ["gap", f"{level['level']:.1%}", f"{level['coverage']:.1%}"]
        [row] = [row for row in rows if f"{level['level']:.1%}" in row[:4]]
        assert [cell for cell in row if cell not in "│┃|"][:3] == shown


def test_metrics_are_those_of_the_rows(sitenet, run, crystals, tmp_path):
    output = tmp_path / "rows.csv"
    done = sitenet("evaluate", run, crystals, "--output", output, "--json")
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    with output.open(newline="") as file:
        rows = [
            (float(r["gap [eV]"]), float(r["known gap [eV]"]))
            for r in csv.DictReader(file)
        ]
    assert result["evaluated"] == len(rows) == 40
    mae = sum(abs(guess - truth) for guess, truth in rows) / len(rows)
    assert result["metrics"]["gap"]["mae"] == pytest.approx(mae, rel=1e-5)


def test_values_in_another_unit_are_converted_and_a_line_says_so(
    sitenet, run, crystals, tmp_path
):
    with (crystals / "gaps.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:6]
    lines = [f"{crystals / row['file']},{1000 * float(row['gap'])}" for row in rows]
    (tmp_path / "meV.csv").write_text("\n".join(["file,gap [meV]", *lines]))
    lines = [f"{crystals / row['file']},{row['gap']}" for row in rows]
    (tmp_path / "eV.csv").write_text("\n".join(["file,gap [eV]", *lines]))
    converted, plain = (
        sitenet("evaluate", run, tmp_path / f"{unit}.csv", "--json")
        for unit in ("meV", "eV")
    )
    errors = [json.loads(done.stdout)["metrics"]["gap"] for done in (converted, plain)]
    assert errors[0]["mae"] == pytest.approx(errors[1]["mae"])
    assert errors[0]["unit"] == "eV"
    assert converted.stderr.count("gap: stated in meV, converted to eV") == 1
    assert "stated in" not in plain.stderr
    model, description = load_model(run)
    plain_file = tmp_path / "plain.safetensors"
    save_model(plain_file, model, description.model_copy(update={"units": {}}))
    unstated = sitenet("evaluate", plain_file, tmp_path / "eV.csv")
    assert "Note: gap: stated in eV; the model has no unit" in unstated.stderr
    (tmp_path / "K.csv").write_text(f"file,gap [K]\n{crystals / rows[0]['file']},1\n")
    refused = sitenet("evaluate", run, tmp_path / "K.csv")
    assert refused.exit_code == 1
    assert "'gap' is in 'K', asked for in 'eV', and no conversion" in refused.stderr


def test_table_names_the_target_and_its_errors(sitenet, run, crystals):
    done = sitenet("evaluate", run, crystals)
    assert done.exit_code == 0, done.output
    assert all(word in done.stdout for word in ("gap", "MAE", "RMSE", "R2"))
    assert "40 evaluated, 0 failed" in done.stderr


def test_data_without_the_target_are_one_line(sitenet, run):
    done = sitenet("evaluate", run, "dielectric")
    assert done.exit_code == 1
    assert "'gap'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_crystals_that_cannot_be_evaluated_are_listed(sitenet, run, tmp_path):
    structure = {"lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]], "species": ["Mg", "O"]}
    structure["frac_coords"] = [[0, 0, 0], [0.5, 0.5, 0.5]]
    rows = [
        {"id": "good", "structure": structure, "gap": 1.0},
        {"id": "bad", "structure": structure, "gap": "metal"},
    ]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    output = tmp_path / "rows.csv"
    done = sitenet("evaluate", run, tmp_path / "data.json", "--output", output)
    assert done.exit_code == 0, done.output
    assert "1 evaluated, 1 failed" in done.stderr
    assert "data.json, row 2: the target 'gap' is not a number" in done.stderr
    with (tmp_path / "rows_failures.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["bad"]
