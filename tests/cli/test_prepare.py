import json
import shutil

from pyg_sitenet.file_locks import locked_folder


def _prepare(sitenet, crystals, folder, *words):
    settings = ["--set", "data.max_atoms=20", "--workers", 1]
    return sitenet("prepare", crystals, "--output", folder, *settings, *words)


def test_prepared_folder_trains_and_evaluates_as_its_source_does(
    sitenet, crystals, small, run, tmp_path
):
    folder = tmp_path / "prepared"
    done = _prepare(sitenet, crystals, folder)
    assert done.exit_code == 0, done.output
    assert "40 read: 40 used, 0 failed" in done.stderr
    done = sitenet("train", folder, "--output", tmp_path / "run", *small)
    assert done.exit_code == 0, done.output
    first, again = (
        json.loads((item / "metrics.json").read_text())["targets"]
        for item in (run, tmp_path / "run")
    )
    assert first == again
    scores = [
        json.loads(sitenet("evaluate", run, data, "--json").stdout)["metrics"]
        for data in (crystals, folder)
    ]
    assert scores[0] == scores[1]


def test_other_settings_are_one_line(sitenet, crystals, small, tmp_path):
    folder = tmp_path / "prepared"
    assert _prepare(sitenet, crystals, folder).exit_code == 0
    words = ["--output", tmp_path / "run", *small, "--set", "data.max_atoms=9"]
    done = sitenet("train", folder, *words)
    assert done.exit_code == 1
    assert "was prepared with data.max_atoms = 20, not 9" in done.stderr
    assert done.stderr.count("\n") == 1


def test_failures_are_counted_and_strict_makes_them_an_error(
    sitenet, crystals, tmp_path
):
    data = tmp_path / "data"
    data.mkdir()
    for path in sorted(crystals.iterdir()):
        (data / path.name).write_bytes(path.read_bytes())
    for path in sorted(data.glob("*.cif"))[:3]:
        path.write_text("")
    folder = tmp_path / "prepared"
    done = _prepare(sitenet, data, folder)
    assert done.exit_code == 0, done.output
    assert "40 read: 37 used, 3 failed" in done.stderr
    assert len((folder / "failures.csv").read_text().splitlines()) == 4
    strict = _prepare(sitenet, data, folder, "--strict", "--json")
    assert strict.exit_code == 1
    assert "3 inputs failed, and none may (--strict)" in strict.stderr
    assert json.loads(strict.stdout)["failed"] == 3


def test_values_read_otherwise_than_they_stand_are_told(sitenet, crystals, tmp_path):
    for name in ("mp-441", "mp-22881"):
        shutil.copy(crystals / f"{name}.cif", tmp_path)
    text = "id;gap [meV]\nmp-441;1500,5\nmp-22881;2\n"
    (tmp_path / "gaps.csv").write_text(text)
    words = ("--set", "data.units={gap: eV}", "--set", "data.max_atoms=20")
    done = sitenet("prepare", tmp_path, "-o", tmp_path / "out", *words, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "gap: numbers are written like '1500,5', which is read as" in done.stderr
    assert done.stderr.count("gap: stated in meV, converted to eV") == 1


def test_processes_are_those_asked_for(sitenet, crystals):
    done = sitenet("prepare", crystals, "--output", "x", "--workers", -1)
    assert done.exit_code == 2


def test_prepared_crystals_without_targets_are_predicted(
    sitenet, crystals, run, tmp_path
):
    data, folder = tmp_path / "data", tmp_path / "prepared"
    data.mkdir()
    for path in sorted(crystals.glob("*.cif"))[:4]:
        (data / path.name).write_bytes(path.read_bytes())
    (data / "torn.cif").write_text("")
    assert _prepare(sitenet, data, folder).exit_code == 0
    result = [
        json.loads(sitenet("predict", run, item, "--json").stdout)
        for item in (data, folder)
    ]
    assert len(result[0]["predictions"]) == 4
    assert result[0]["predictions"] == result[1]["predictions"]
    assert result[0]["failures"] == result[1]["failures"]
    done = sitenet("train", folder, "--output", tmp_path / "run")
    assert "no target 'band_gap' (available: none)" in done.stderr


def test_second_preparation_of_a_folder_is_one_line(sitenet, crystals, tmp_path):
    with locked_folder(tmp_path / "out"):
        done = sitenet("prepare", crystals, "--output", tmp_path / "out")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "out: another run is writing to this folder; wait for its end" in line
