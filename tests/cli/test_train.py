import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from pyg_sitenet.cli.overrides import choose_settings
from pyg_sitenet.cli.train import _folder
from pyg_sitenet.model_file import load_model
from pyg_sitenet.nn import SiteNet, networks_of
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.network import start_from

FILES = ("model.safetensors", "metrics.json", "predictions.csv", "failures.csv")
FIGURES = ("learning_curve.png", "parity.png")


def test_run_folder_is_complete(run):
    assert all((run / name).is_file() for name in FILES)
    assert all((run / "figures" / name).is_file() for name in FIGURES)


def test_config_of_the_run_repeats_it(run, sitenet, tmp_path):
    done = sitenet("train", "--config", run / "config.yaml", "--output", tmp_path / "b")
    assert done.exit_code == 0, done.output
    first, again = (
        json.loads((folder / "metrics.json").read_text())["targets"]
        for folder in (run, tmp_path / "b")
    )
    assert first == again


def test_report_shows_time_baselines_and_where_figures_are(
    sitenet, crystals, small, tmp_path
):
    many = ("--set", "data.max_crystals=1")  # batches, after some of which time is told
    done = sitenet("train", crystals, "--output", tmp_path / "run", *small, *many)
    assert done.exit_code == 0, done.output
    assert re.search(r"^2 epochs of \d+ batches: about \d+ s$", done.stderr, re.M)
    for word in ("Site-Net", "mean", "composition only", "gap", "figures"):
        assert word in done.stdout


def test_json_is_the_metrics_and_nothing_else(sitenet, crystals, small, tmp_path):
    folder = tmp_path / "run"
    done = sitenet("train", crystals, "--output", folder, "--json", *small)
    result = json.loads(done.stdout)
    assert Path(result.pop("folder")) == folder
    assert result == json.loads((folder / "metrics.json").read_text())


def test_lone_target_of_a_table_need_not_be_named(run):
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["targets"] == ["gap"]


def test_number_of_failed_inputs_is_printed(sitenet, crystals, small, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for path in sorted(crystals.iterdir()):
        (data / path.name).write_bytes(path.read_bytes())
    for path in sorted(data.glob("*.cif"))[:3]:
        path.write_text("")
    done = sitenet("train", data, "--output", tmp_path / "run", *small)
    assert done.exit_code == 0, done.output
    assert "3 inputs could not be used" in done.stdout
    assert "failures.csv" in done.stdout
    assert "40 read: 37 used, 3 failed" in done.stderr
    strict = sitenet("train", data, "--output", tmp_path / "b", "--strict", *small)
    assert strict.exit_code == 1
    assert "3 inputs failed, and none may (--strict)" in strict.stderr
    assert (tmp_path / "b" / "model.safetensors").is_file()


def test_settings_seed_and_preset_reach_the_run(sitenet, crystals, small, tmp_path):
    folder = tmp_path / "run"
    words = ["--seed", 7, "--preset", "paper", "--target", "gap", *small]
    assert sitenet("train", crystals, "--output", folder, *words).exit_code == 0
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["training"]["seed"] == 7
    assert config["model"]["output"] == "clamp"
    assert config["model"]["heads"] == 2


def test_resume_takes_the_settings_of_the_run(run, sitenet, tmp_path):
    own = shutil.copytree(run, tmp_path / "run")  # others read the run as it is
    words = ["--output", own, "--resume", "--set", "training.max_epochs=3", "--json"]
    done = sitenet("train", *words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["epochs"] == 3


def test_preset_and_config_together_are_wrong_usage(sitenet, run):
    done = sitenet("train", "--preset", "paper", "--config", run / "config.yaml")
    assert done.exit_code == 2
    assert "either --preset or --config" in done.stderr


def test_resume_without_a_folder_is_wrong_usage(sitenet):
    assert sitenet("train", "--resume").exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "papper"], "unknown preset 'papper', did you mean 'paper'"),
        (["--set", "model.head=4"], "unknown key 'model.head', did you mean 'heads'"),
        (["--set", "model.heads"], "expects section.key=value"),
        (["--config", "missing.yaml"], "missing.yaml: cannot be read"),
        (["--target", "band_gab"], "band_gab.*band_gap"),
        (["dielectrics"], "dielectrics.*band_gaps, dielectric"),
        (["--resume", "--output", "nowhere"], "holds no run to continue"),
        (["two.csv"], "two.csv: has the columns 'a', 'b'; say which .* --target"),
        (["two.csv", "--set", "data.targets=[c]"], r"no target 'c' \(available: a, b"),
        (["d" * 5000], r"d\.\.\.d.*: no such file or folder"),
    ],
)
def test_mistake_is_one_line_and_exit_code_1(
    sitenet, words, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.csv").write_text("file,a,b\nNaCl.cif,1,2\n")
    done = sitenet("train", *words)
    assert done.exit_code == 1
    assert len(done.stderr) < 1000
    assert done.stderr.count("\n") == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(done.stderr)
    assert not list(tmp_path.glob("runs/*"))


def test_output_that_cannot_be_written_is_one_line(sitenet, small, tmp_path):
    (tmp_path / "file").write_text("")
    done = sitenet("train", "--output", tmp_path / "file" / "run", *small)
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_model_is_fine_tuned_with_its_own_settings(run, sitenet, crystals, tmp_path):
    words = ["--from", run, "--output", tmp_path / "tuned", "--json"]
    words += ["--set", "training.max_epochs=1", "--set", "training.freeze_encoder=true"]
    done = sitenet("train", crystals, *words)
    assert done.exit_code == 0, done.output
    config = yaml.safe_load((tmp_path / "tuned" / "config.yaml").read_text())
    assert config["training"]["initial_model"] == str(run.resolve())
    assert config["model"]["heads"] == 2


def test_folds_are_summarised(sitenet, crystals, small, tmp_path):
    words = ["--folds", 2, "--output", tmp_path / "cv", *small]
    words += ["--set", "training.max_epochs=1", "--set", "data.split=composition"]
    done = sitenet("train", crystals, *words)
    assert done.exit_code == 0, done.output
    assert "Mean and standard deviation of 2 folds" in done.stdout
    assert "±" in done.stdout
    summary = json.loads((tmp_path / "cv" / "summary.json").read_text())
    assert len(summary["targets"]["gap"]["test"]["mae"]["folds"]) == 2
    # As if it had been stopped after the first fold, with settings that are no default.
    shutil.rmtree(tmp_path / "cv" / "fold_1")
    (tmp_path / "cv" / "summary.json").unlink()
    done = sitenet("train", "--folds", 2, "--output", tmp_path / "cv", "--resume")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "cv" / "summary.json").read_text()) == summary


def test_resume_of_no_folds_is_one_line(sitenet, tmp_path):
    done = sitenet("train", "--folds", 2, "--output", tmp_path / "cv", "--resume")
    assert done.exit_code == 1
    assert "cv: holds no folds to continue; start them without" in done.stderr
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize("words", [[], ["--folds", 2]])
def test_kind_of_device_reaches_the_training(words, sitenet, crystals, small, tmp_path):
    words = [*words, "--output", tmp_path / "run", "--accelerator", "abacus", *small]
    done = sitenet("train", crystals, *words)
    assert done.exit_code == 1
    assert "cannot train on 1 devices of 'abacus': You selected an" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["--devices", 2], ["--nodes", 2]])
def test_several_devices_need_a_named_folder(sitenet, words):
    done = sitenet("train", *words)
    assert done.exit_code == 2
    assert "several devices need an --output folder" in done.stderr


def test_ready_model_can_be_fine_tuned_by_its_name():
    config = choose_settings(None, None, None, None, None, {}, Path("band-gap"))
    assert config.training.initial_model == "band-gap"
    model = SiteNet(config.model, layout=OutputLayout.of(config))
    assert start_from(model, "band-gap") == list(config.data.targets)
    trained = networks_of(load_model("band-gap")[0])[0].state_dict()
    weight = model.state_dict()["readout.linear.weight"]
    assert torch.equal(weight, trained["readout.linear.weight"])


def test_jobs_without_a_name_get_folders_of_their_own(
    sitenet, crystals, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with _folder(None) as first, _folder(None) as second:
        assert first != second
    failing = ["train", crystals, "--set", "data.fold=3", "--set", "data.folds=2"]
    assert sitenet(*failing).exit_code == 1
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert folders == sorted(path.name for path in (first, second))


def test_units_of_a_model_to_start_from_are_those_of_its_targets():
    targets = (["gap"], {"gap": "eV"}), (["band_gap"], {"band_gap": "eV"})
    for names, units in targets:
        settings = ["data.units={gap: eV}"] if names == ["gap"] else None
        config = choose_settings(
            None, None, None, names, settings, {}, Path("band-gap")
        )
        assert config.data.units == units
    config = choose_settings(None, None, None, ["gap"], None, {}, Path("band-gap"))
    assert config.data.units == {}
