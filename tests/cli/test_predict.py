import csv
import json
import shutil
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write

from pyg_sitenet import load_predictor
from pyg_sitenet.model_file import read_description
from pyg_sitenet.ready_models import READY_MODELS

EXAMPLES = Path(__file__).parents[2] / "examples" / "structures"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def mixed(tmp_path, crystals):
    """Two hundred CIFs, of which twenty are broken in four ways."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    sources = sorted(crystals.glob("*.cif"))
    for number in range(180):
        shutil.copy(sources[number % len(sources)], folder / f"good{number:03}.cif")
    text = sources[0].read_text()
    for number in range(5):
        (folder / f"empty{number}.cif").write_text("")
        (folder / f"cut{number}.cif").write_text(text[: len(text) // 3])
        (folder / f"text{number}.cif").write_text("to be done\n")
        (folder / f"binary{number}.cif").write_bytes(b"\xff\xfe\x00data" * 9)
    return folder


def test_broken_files_are_reported_and_the_rest_is_done(sitenet, run, mixed, tmp_path):
    output = tmp_path / "gaps.csv"
    done = sitenet("predict", run, mixed, "--output", output)
    assert done.exit_code == 0, done.output
    assert len(rows(output)) == 180
    failures = rows(tmp_path / "gaps_failures.csv")
    assert len(failures) == 20
    assert all(row["reason"] for row in failures)
    assert "180 predicted, 20 failed" in done.stderr


def test_values_are_those_of_the_predictor(sitenet, run, crystals, tmp_path):
    output = tmp_path / "gaps.csv"
    files = sorted(crystals.glob("*.cif"))[:4]
    assert sitenet("predict", run, *files, "--output", output).exit_code == 0
    result = [float(row["gap [eV]"]) for row in rows(output)]
    table = load_predictor(run).predict(files)
    assert result == pytest.approx(table["gap [eV]"].to_list(), rel=1e-5)


@pytest.mark.parametrize("command", ["predict", "embed"])
def test_files_that_are_not_read_are_told(sitenet, run, tmp_path, command):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(EXAMPLES / "NaCl.cif", folder)
    shutil.copy(EXAMPLES / "ZnO.cif", folder / "ZnO.cif.txt")
    output = tmp_path / ("out.csv" if command == "predict" else "out.npz")
    done = sitenet(command, run, folder, "--output", output, "--strict")
    assert done.exit_code == 0, done.output
    note = "Note: 1 file that may hold structures is not read: ZnO.cif.txt; rename"
    assert note in done.stderr


def test_several_inputs_are_predicted_in_their_order(sitenet, run):
    files = [EXAMPLES / "ZnO.cif", EXAMPLES / "NaCl.cif"]
    done = sitenet("predict", run, *files, "--json")
    result = json.loads(done.stdout)["predictions"]
    assert [item["formula"] for item in result] == ["ZnO", "NaCl"]


def test_table_is_printed_without_output(sitenet, run):
    done = sitenet("predict", run, EXAMPLES / "NaCl.cif")
    assert done.exit_code == 0, done.output
    assert "NaCl" in done.stdout
    assert "gap [eV]" in done.stdout


def test_element_the_model_has_not_seen_is_a_warning_in_the_row(sitenet, run, tmp_path):
    bulk("Xe", "fcc", a=6.2).write(tmp_path / "xenon.cif")
    done = sitenet("predict", run, tmp_path / "xenon.cif", "--json")
    (result,) = json.loads(done.stdout)["predictions"]
    assert "never seen Xe" in result["warnings"][0]


def test_warnings_follow_the_table_on_the_screen(sitenet, run, tmp_path):
    bulk("Xe", "fcc", a=6.2).write(tmp_path / "xenon.cif")
    result = sitenet("predict", run, EXAMPLES / "NaCl.cif", tmp_path / "xenon.cif")
    table, _, after = result.stdout.partition("\nwarning: ")
    assert "NaCl" in table
    assert "never seen" not in table
    assert after.startswith("xenon: ")
    assert "never seen Xe" in after


def test_rows_with_warnings_are_counted(sitenet, run, tmp_path):
    bulk("Xe", "fcc", a=6.2).write(tmp_path / "xenon.cif")
    output = tmp_path / "gaps.csv"
    done = sitenet("predict", run, tmp_path / "xenon.cif", "--output", output)
    assert f"Predictions: {output} (1 with a warning)" in done.stdout


def test_nothing_predicted_is_exit_code_1(sitenet, run, tmp_path):
    (tmp_path / "empty.cif").write_text("")
    done = sitenet("predict", run, tmp_path / "empty.cif", "--json")
    assert done.exit_code == 1
    (failure,) = json.loads(done.stdout)["failures"]
    assert "empty.cif" in failure["origin"]
    done = sitenet("predict", run, tmp_path / "empty.cif")
    assert done.stdout == ""  # no table without rows
    assert "empty.cif" in done.stderr


def test_missing_input_is_one_line_naming_it(sitenet, run, tmp_path):
    done = sitenet("predict", run, tmp_path / "nowhere.cif")
    assert done.exit_code == 1
    assert "nowhere.cif" in done.stderr


def test_missing_input_among_others_is_a_failure(sitenet, run, tmp_path):
    files = [tmp_path / "nowhere.cif", EXAMPLES / "ZnO.cif"]
    done = sitenet("predict", run, *files, "--json")
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert [prediction["formula"] for prediction in result["predictions"]] == ["ZnO"]
    assert "no such file" in result["failures"][0]["reason"]


def test_finished_run_is_not_done_again(sitenet, run, crystals, tmp_path):
    output = tmp_path / "gaps.csv"
    words = ("predict", run, crystals, "--output", output)
    assert sitenet(*words).exit_code == 0
    before = output.stat().st_mtime_ns
    done = sitenet(*words, "--resume")
    assert done.exit_code == 0, done.output
    assert "40 read: 40 predicted, 0 failed" in done.stderr
    assert output.stat().st_mtime_ns == before


def test_resumed_run_does_not_mix_inputs(sitenet, run, tmp_path):
    folder, output = tmp_path / "new", tmp_path / "gaps.csv"
    folder.mkdir()
    shutil.copy(EXAMPLES / "ZnO.cif", folder)
    assert sitenet("predict", run, folder, "--output", output).exit_code == 0
    shutil.copy(EXAMPLES / "NaCl.cif", folder)
    done = sitenet("predict", run, folder, "--output", output, "--resume")
    assert done.exit_code == 1
    assert "cannot be continued, it was begun before its inputs changed" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_output_called_tsv_has_tabs(sitenet, run, crystals, tmp_path, command):
    output = tmp_path / "gaps.tsv"
    for _ in range(2):  # the second writes over the first, which it knows as its own
        done = sitenet(command, run, crystals, "--output", output)
        assert done.exit_code == 0, done.output
    heads, *lines = (line.split("\t") for line in output.read_text().splitlines())
    assert heads[:2] == ["id", "formula"]
    assert heads[2] == "gap [eV]"
    assert {len(line) for line in lines} == {len(heads)}
    shutil.copytree(crystals, tmp_path / "data")
    shutil.copy(output, tmp_path / "data")  # where it is no second table
    again = sitenet("evaluate", run, tmp_path / "data")
    assert again.exit_code == 0, again.output


def test_stopped_run_is_overwritten_only_when_told(sitenet, run, mixed, tmp_path):
    output, record = tmp_path / "gaps.csv", tmp_path / "gaps_run.json"
    words = ("predict", run, mixed, "--output", output)
    assert sitenet(*words).exit_code == 0
    values = json.loads(record.read_text()) | {"is_complete": False}
    record.write_text(json.dumps(values))
    done = sitenet(*words)
    assert done.exit_code == 1
    assert "stopped after 200 inputs; go on with resume (--resume)" in done.stderr
    assert sitenet(*words, "--overwrite").exit_code == 0
    assert json.loads(record.read_text())["is_complete"]


def test_json_with_output_names_the_files_and_counts_by_reason(
    sitenet, run, mixed, tmp_path
):
    output = tmp_path / "gaps.csv"
    done = sitenet("predict", run, mixed, "--output", output, "--json")
    result = json.loads(done.stdout)
    assert Path(result["failures_file"]) == tmp_path / "gaps_failures.csv"
    assert Path(result["run_file"]).is_file()
    counts = result["counts"]
    assert (counts["read"], counts["used"], counts["failed"]) == (200, 180, 20)
    assert sum(counts["failed_by_reason"].values()) == 20
    with open(result["failures_file"], encoding="utf-8") as file:
        assert all(row["remedy"] for row in csv.DictReader(file))


def test_strict_is_exit_code_1_after_all_work(sitenet, run, mixed, tmp_path):
    output = tmp_path / "gaps.csv"
    done = sitenet("predict", run, mixed, "--output", output, "--strict")
    assert done.exit_code == 1
    assert "Error: 20 inputs failed, and none may (--strict)" in done.stderr
    assert len(rows(output)) == 180
    assert sitenet("predict", run, EXAMPLES, "--strict").exit_code == 0


def test_trajectory_gives_one_row_per_frame(sitenet, run, tmp_path):
    frames = []
    for seed in range(5):
        atoms = bulk("MgO", "rocksalt", a=4.21)
        atoms.rattle(0.05, seed=seed)
        frames.append(atoms)
    write(tmp_path / "run.traj", frames)
    output = tmp_path / "gaps.csv"
    done = sitenet("predict", run, tmp_path / "run.traj", "--output", output)
    assert done.exit_code == 0, done.output
    assert [row["id"] for row in rows(output)] == [f"run@{n}" for n in range(5)]
    values = [float(row["gap [eV]"]) for row in rows(output)]
    expected = load_predictor(run).predict(frames)["gap [eV]"]
    assert values == pytest.approx(expected.to_list(), rel=1e-5)


def test_number_of_processes_changes_no_byte(sitenet, run, mixed, tmp_path):
    outputs = [tmp_path / f"{workers}.csv" for workers in (1, 2)]
    for workers, output in zip((1, 2), outputs, strict=True):
        words = ("--output", output, "--workers", workers)
        assert sitenet("predict", run, mixed, *words).exit_code == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--resume",), "--resume needs the --output file"),
        (("--overwrite",), "--overwrite needs the --output file"),
        (("--resume", "--overwrite", "--output", "a.csv"), "either --resume or"),
    ],
)
def test_impossible_options_are_wrong_usage(sitenet, run, words, message):
    done = sitenet("predict", run, EXAMPLES, *words)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_data_without_crystals_are_one_line(sitenet, run, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    done = sitenet("predict", run, tmp_path / "none.json")
    assert done.exit_code == 1
    assert "none.json: no crystal in it" in done.stderr


def test_one_line_names_each_cause_and_its_file(sitenet, run, tmp_path):
    rows = [{"id": id_, "structure": ""} for id_ in "abc"]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "empty.cif").write_text("")
    done = sitenet("predict", run, tmp_path / "rows.json", tmp_path / "empty.cif")
    # Where the progress bar is not shown, some versions of rich leave an empty line.
    assert done.stderr.strip().splitlines() == [
        "4 read: 0 predicted, 4 failed",
        f"  {tmp_path}/rows.json, row 1: names no structure (2 more like this)",
        f"  {tmp_path}/empty.cif: the file is empty; export it again",
    ]


def test_output_without_its_record_is_not_continued(sitenet, run, tmp_path):
    output = tmp_path / "gaps.csv"
    output.write_text("id,formula,n,warnings\nNaCl,NaCl,1.5,\n")
    done = sitenet("predict", run, EXAMPLES, "--output", output, "--resume")
    assert done.exit_code == 1
    assert "cannot be continued without gaps_run.json" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_input_is_never_overwritten(sitenet, run, tmp_path, command):
    table = tmp_path / "gaps.csv"
    table.write_text("id,structure,gap\na,a.cif,1\n")
    done = sitenet(command, run, table, "--output", table)
    assert done.exit_code == 1
    assert "gaps.csv: is an input and would be overwritten" in done.stderr
    assert table.read_text() == "id,structure,gap\na,a.cif,1\n"


@pytest.mark.parametrize("name", ["p.csv.gz", "p.XLSX", "p.json"])
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_output_is_not_called_what_it_is_not(
    sitenet, run, crystals, tmp_path, command, name
):
    done = sitenet(command, run, crystals, "--output", tmp_path / name)
    assert done.exit_code == 1
    assert "predictions are written as CSV, not as " in done.stderr
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["p.csv", "p_failures.csv", "p_statistics.csv"])
def test_table_in_place_of_an_earlier_result_is_kept(sitenet, run, tmp_path, name):
    structure = shutil.copy(EXAMPLES / "NaCl.cif", tmp_path)
    words = ("predict", run, structure, "--output", tmp_path / "p.csv", "--statistics")
    assert sitenet(*words).exit_code == 0
    (tmp_path / name).write_text("id,gap\na,1\n")
    done = sitenet(*words)
    assert done.exit_code == 1
    assert f"{name}: holds something other than " in done.stderr
    assert (tmp_path / name).read_text() == "id,gap\na,1\n"


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="has no devices")
def test_device_as_output_is_one_line(sitenet, run):
    done = sitenet("predict", run, EXAMPLES, "--output", "/dev/null")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: /dev/null: not a regular file; choose")
    assert not list(Path("/dev").glob("*null*_*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a model file"),
        (b"hello, this is a text", "not a model file"),
        (b"PK\x03\x04 a checkpoint", "pickled checkpoint"),
    ],
)
def test_file_that_is_no_model_is_one_line(sitenet, tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    done = sitenet("predict", path, EXAMPLES)
    assert done.exit_code == 1
    assert message in done.stderr
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1


def test_truncated_model_is_one_line(sitenet, run, tmp_path):
    whole = (run / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    done = sitenet("predict", tmp_path, EXAMPLES)
    assert done.exit_code == 1
    assert "damaged or truncated" in done.stderr


def test_output_that_cannot_be_written_is_one_line(sitenet, run, tmp_path):
    (tmp_path / "file").write_text("")
    done = sitenet("predict", run, EXAMPLES, "--output", tmp_path / "file" / "a.csv")
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_disordered_crystals_are_ordered_if_asked(
    sitenet, run, tmp_path, mixed_salt
) -> None:
    file, output = tmp_path / "mix.cif", tmp_path / "mix.csv"
    mixed_salt.to(str(file))
    refused = sitenet("predict", run, file)
    assert refused.exit_code == 1
    assert "--disorder sample" in refused.stderr
    options = ["--disorder", "sample", "--orderings", 2, "--seed", 5]
    done = sitenet("predict", run, file, "--output", output, *options)
    assert done.exit_code == 0, done.output
    (row,) = rows(output)
    assert float(row["gap min [eV]"]) <= float(row["gap [eV]"])
    assert float(row["gap [eV]"]) <= float(row["gap max [eV]"])
    assert (row["orderings"], row["misfit"]) == ("2", "0")
    shown = json.loads(sitenet("predict", run, file, *options, "--json").stdout)
    spread = shown["predictions"][0]["spread"]
    assert spread["std"]["gap"] == pytest.approx(float(row["gap std [eV]"]), abs=1e-5)
    wrong = sitenet("predict", run, file, "--disorder", "guess")
    assert wrong.exit_code == 1
    assert "data.disorder" in wrong.stderr


def test_a_trajectory_is_summarised(sitenet, run, tmp_path) -> None:
    frames = [bulk("NaCl", "rocksalt", a=5.5 + 0.02 * step) for step in range(6)]
    write(tmp_path / "run.extxyz", frames)
    output = tmp_path / "gaps.csv"
    options = ["predict", run, tmp_path / "run.extxyz", "--statistics"]
    done = sitenet(*options, "--output", output)
    assert done.exit_code == 0, done.output
    values = [float(row["gap [eV]"]) for row in rows(output)]
    (row,) = rows(tmp_path / "gaps_statistics.csv")
    assert (row["trajectory"], row["frames"]) == ("run", "6")
    assert float(row["mean"]) == pytest.approx(sum(values) / 6, abs=1e-5)
    (shown,) = json.loads(sitenet(*options, "--json").stdout)["statistics"]
    assert shown["mean"] == pytest.approx(float(row["mean"]), abs=1e-5)
    assert "standard" in sitenet(*options).stdout


def test_frames_with_ids_of_their_own_are_said_to_be_no_trajectory(
    sitenet, run, tmp_path
) -> None:
    frames = [bulk("NaCl", "rocksalt", a=a) for a in (5.5, 5.6)]
    for name, frame in zip("ab", frames, strict=True):
        frame.info["id"] = name
    write(tmp_path / "run.extxyz", frames)
    done = sitenet("predict", run, tmp_path / "run.extxyz", "--statistics")
    text = " ".join(done.stdout.split())
    assert "No trajectory: no two frames of one formula have ids such as run@0" in text
    assert "frames with ids of their own are not summarised" in text


def test_rows_of_a_table_are_no_trajectory(sitenet, run, tmp_path) -> None:
    lines = "".join(f"{k},{EXAMPLES / 'NaCl.cif'}\n" for k in (1, 2, 3))
    (tmp_path / "salts.csv").write_text(f"id,file\n{lines}")
    options = ["predict", run, tmp_path / "salts.csv", "--statistics"]
    assert "No trajectory: no two frames" in sitenet(*options).stdout
    done = sitenet(*options, "--output", tmp_path / "gaps.csv")
    assert len(rows(tmp_path / "gaps.csv")) == 3
    assert "No trajectory: no two frames" in done.stdout
    assert rows(tmp_path / "gaps_statistics.csv") == []


def test_ready_model_predicts_at_once_with_an_interval(sitenet, nacl, tmp_path):
    nacl.to(str(tmp_path / "NaCl.cif"))
    words = ["--level", "0.9", "--output", tmp_path / "out.csv"]
    done = sitenet("predict", "formation-energy", tmp_path / "NaCl.cif", *words)
    assert done.exit_code == 0, done.output
    with (tmp_path / "out.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    ends = ("lower", "upper")
    low, high = (float(row[f"formation_energy {end} [eV/atom]"]) for end in ends)
    assert low < float(row["formation_energy [eV/atom]"]) < high


def test_level_without_calibration_is_one_line(sitenet, run, nacl, tmp_path):
    nacl.to(str(tmp_path / "NaCl.cif"))
    done = sitenet("predict", run, tmp_path / "NaCl.cif", "--level", "0.9")
    assert done.exit_code == 1
    assert "train it with data.calibration_fraction=0.1" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_ready_models_are_listed_with_unit_and_error_on_narrow_terminals(
    sitenet, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    done = sitenet("predict", "--list")
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.replace("│", " ").split())
    for name in READY_MODELS:
        metrics = read_description(name).metrics["targets"]
        [(_, scores)] = metrics.items()
        assert f"{name} {scores['test']['mae']:.4g} {scores['unit']}" in words


def test_list_of_models_for_programs(sitenet):
    for words in (["--list", "--json"], ["--json", "--list"]):
        facts = json.loads(sitenet("predict", *words).stdout)
        assert [fact["model"] for fact in facts] == list(READY_MODELS)
    for fact in facts:
        description = read_description(fact["model"])
        scores = description.metrics["targets"][fact["target"]]
        assert (fact["test_mae"], fact["unit"]) == (
            scores["test"]["mae"],
            scores["unit"],
        )
        assert fact["networks"] == description.members


def test_two_models_give_one_table_of_what_each_says(sitenet, tmp_path):
    files = [EXAMPLES / "NaCl.cif", EXAMPLES / "MgO.cif"]
    outputs = {}
    for models in ("band-gap", "formation-energy", "band-gap,formation-energy"):
        outputs[models] = tmp_path / f"{models}.csv"
        words = ("--output", outputs[models], "--level", "0.9", "--workers", "1")
        done = sitenet("predict", models, *files, *words)
        assert done.exit_code == 0, done.output
    *alone, joint = (rows(output) for output in outputs.values())
    expected = [first | second for first, second in zip(*alone, strict=True)]
    for row, *both in zip(expected, *alone, strict=True):  # the more unlike counts
        row["novelty"] = min((r["novelty"] for r in both), key=float)
    assert joint == expected
    assert list(joint[0])[2:6] == [
        f"band_gap{e} [eV]" for e in ("", " members std", " lower", " upper")
    ]
    words = ("predict", "band-gap,formation-energy", *files, "--output")
    again = sitenet(*words, outputs["band-gap"], "--resume")
    assert "cannot be continued" in again.stderr


def test_several_models_on_the_screen_and_as_json(sitenet):
    words = ("predict", "formation-energy,band-gap", EXAMPLES / "NaCl.cif")
    assert "band_gap" in sitenet(*words).stdout.replace("\n", "")
    shown = json.loads(sitenet(*words, "--json").stdout)
    assert shown["units"] == {"formation_energy": "eV/atom", "band_gap": "eV"}
    assert list(shown["predictions"][0]["values"]) == ["formation_energy", "band_gap"]


def test_model_without_intervals_is_named_among_others(sitenet, run):
    words = ("predict", f"band-gap,{run}", EXAMPLES / "NaCl.cif", "--level", "0.9")
    done = sitenet(*words)
    assert done.exit_code == 1
    assert f"Error: {run}: the model gives no intervals" in done.stderr


@pytest.mark.parametrize(
    ("models", "code", "message"),
    [
        ("band-gap,band-gap", 2, "expected different models with commas between"),
        ("band-gap,", 2, "expected different models with commas between"),
        ("band-gap,hardness", 1, "hardness: no such file; expected a model file"),
    ],
)
def test_models_that_are_none_are_one_line(sitenet, models, code, message):
    done = sitenet("predict", models, EXAMPLES / "NaCl.cif")
    assert done.exit_code == code
    assert message in " ".join(done.stderr.replace("│", " ").split())
