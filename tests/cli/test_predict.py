import csv
import json
import shutil
from pathlib import Path

import pytest
from ase.build import bulk

from pyg_sitenet import load_predictor
from pyg_sitenet.cli.tables import rows_file

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
    found = [float(row["gap [eV]"]) for row in rows(output)]
    table = load_predictor(run).predict(files)
    assert found == pytest.approx(table["gap [eV]"].to_list(), rel=1e-5)


def test_several_inputs_are_predicted_in_their_order(sitenet, run):
    files = [EXAMPLES / "ZnO.cif", EXAMPLES / "NaCl.cif"]
    done = sitenet("predict", run, *files, "--json")
    found = json.loads(done.stdout)["predictions"]
    assert [one["formula"] for one in found] == ["ZnO", "NaCl"]


def test_table_is_printed_without_output(sitenet, run):
    done = sitenet("predict", run, EXAMPLES / "NaCl.cif")
    assert done.exit_code == 0, done.output
    assert "NaCl" in done.stdout
    assert "gap [eV]" in done.stdout


def test_element_the_model_has_not_seen_is_a_warning_in_the_row(sitenet, run, tmp_path):
    bulk("Xe", "fcc", a=6.2).write(tmp_path / "xenon.cif")
    done = sitenet("predict", run, tmp_path / "xenon.cif", "--json")
    (found,) = json.loads(done.stdout)["predictions"]
    assert "never seen Xe" in found["warnings"][0]


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


def test_missing_input_is_one_line_naming_it(sitenet, run, tmp_path):
    done = sitenet("predict", run, tmp_path / "nowhere.cif")
    assert done.exit_code == 1
    assert "nowhere.cif" in done.stderr


def test_missing_input_among_others_is_a_failure(sitenet, run, tmp_path):
    files = [tmp_path / "nowhere.cif", EXAMPLES / "ZnO.cif"]
    done = sitenet("predict", run, *files, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert [one["formula"] for one in found["predictions"]] == ["ZnO"]
    assert "no such file" in found["failures"][0]["reason"]


def test_rows_are_on_disk_before_the_end(tmp_path):
    """A run that is stopped keeps what it has done."""
    path = tmp_path / "new" / "rows.csv"
    with rows_file(path, ["id", "value"]) as add:
        add(["a", 1.0])
        assert path.read_text() == "id,value\na,1\n"


def test_stopped_run_goes_on_where_its_files_end(sitenet, run, mixed, tmp_path):
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    failed = [path.with_name(f"{path.stem}_failures.csv") for path in (whole, part)]
    assert sitenet("predict", run, mixed, "--output", whole).exit_code == 0
    # In the order of names come binary*, cut*, empty* (15 failures), then good*.
    lines = whole.read_text().splitlines(keepends=True)
    part.write_text("".join(lines[:31]) + lines[31][:5])
    failed[1].write_text("".join(failed[0].read_text().splitlines(keepends=True)[:16]))
    done = sitenet("predict", run, mixed, "--output", part, "--resume")
    assert done.exit_code == 0, done.output
    assert [row["id"] for row in rows(part)] == [row["id"] for row in rows(whole)]
    assert failed[1].read_text() == failed[0].read_text()
    assert "180 predicted, 20 failed" in done.stderr


def test_resumed_run_does_what_is_new_and_no_more(sitenet, run, tmp_path):
    folder, output = tmp_path / "new", tmp_path / "gaps.csv"
    folder.mkdir()
    for name in ("MgO", "ZnO"):
        shutil.copy(EXAMPLES / f"{name}.cif", folder)
    assert sitenet("predict", run, folder, "--output", output).exit_code == 0
    shutil.copy(EXAMPLES / "NaCl.cif", folder / "AAA.cif")  # comes before the others
    done = sitenet("predict", run, folder, "--output", output, "--resume")
    assert done.exit_code == 0, done.output
    assert [row["id"] for row in rows(output)] == ["MgO", "ZnO", "AAA"]


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
        "0 predicted, 4 failed",
        f"  {tmp_path}/rows.json, row 1: names no structure (2 more like this)",
        f"  {tmp_path}/empty.cif: the file is empty; export it again",
    ]


def test_long_lists_of_reasons_are_cut(sitenet, run, mixed):
    for number in range(5):
        (mixed / f"more{number}.cif").write_text("")
    done = sitenet("predict", run, mixed)
    assert "180 predicted, 25 failed" in done.stderr
    assert "and 5 more: --output FILE.csv" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_full_disk_is_one_line(sitenet, run):
    done = sitenet("predict", run, EXAMPLES, "--output", "/dev/full")
    assert done.exit_code == 1
    assert done.stderr == "Error: No space left on device\n"


def test_file_of_another_model_is_not_continued(sitenet, run, tmp_path):
    output = tmp_path / "gaps.csv"
    output.write_text("id,formula,n,warnings\nNaCl,NaCl,1.5,\n")
    done = sitenet("predict", run, EXAMPLES, "--output", output, "--resume")
    assert done.exit_code == 1
    assert "cannot be continued: its columns are id, formula, n" in done.stderr


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
