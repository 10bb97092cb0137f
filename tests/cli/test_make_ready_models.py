"""The script behind the ready models, on small runs."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from pymatgen.core import Structure

from pyg_sitenet.config import Config, override
from pyg_sitenet.model_file import (
    ModelDescription,
    load_model,
    read_description,
    save_model,
)
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction import Predictor, load_predictor

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, beside those it imports."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("make_ready_models")


def make(script: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["make_ready_models.py", *map(str, words)])
    script.main()


def test_run_becomes_a_model_with_card_and_the_error_of_its_test_part(
    script, monkeypatch, run, tmp_path
) -> None:
    make(script, monkeypatch, "band-gap", run, "--output", tmp_path, "--note", "Forty.")
    description = read_description(tmp_path / "band-gap")
    assert description.targets == ("band_gap",)
    assert description.units == {"band_gap": "eV"}
    assert description.config.data.source == "matbench_mp_gap"
    before = json.loads((run / "metrics.json").read_text())
    scores = description.metrics["targets"]["band_gap"]
    # But for weights of half the digits.
    expected = before["targets"]["gap"]["test"]["mae"]
    assert scores["test"]["mae"] == pytest.approx(expected, rel=0.01)
    card = (tmp_path / "band-gap" / "README.md").read_text(encoding="utf-8")
    assert f"| this model | {scores['test']['mae']:.3f} " in card
    assert "Forty." in card
    assert f"{before['num_crystals']['train']} crystals to train" in card
    assert str(tmp_path) not in card + description.model_dump_json()


def test_runs_become_an_ensemble_whose_mean_is_measured(
    script, monkeypatch, run, tmp_path
) -> None:
    make(script, monkeypatch, "band-gap", run, run, "--output", tmp_path)
    description = read_description(tmp_path / "band-gap")
    assert description.members == description.config.training.members == 2
    assert "2 networks of" in (tmp_path / "band-gap" / "README.md").read_text()


def test_record_of_the_training_crystals_is_made_anew_as_the_training_made_it(
    script, monkeypatch, sitenet, crystals, small, tmp_path
) -> None:
    halves = ("--set", "data.val_fraction=0", "--set", "data.test_fraction=0.5")
    run = tmp_path / "run"
    done = sitenet("train", crystals, "--output", run, *small, *halves)
    assert done.exit_code == 0, done.output
    make(script, monkeypatch, "band-gap", run, "--output", tmp_path)
    file = tmp_path / "band-gap"
    model, before = load_model(file)
    without = before.model_copy(update={"novelty": None, "calibration": None})
    save_model(file / "model.safetensors", model, without, half=True)
    source = tmp_path / "crystals"  # with the target's name in the ready model
    shutil.copytree(crystals, source)
    table = source / "gaps.csv"
    table.write_text(table.read_text().replace("file,gap", "file,band_gap", 1))
    renewal = importlib.import_module("renew_novelty")
    words = ["band-gap", "--output", str(tmp_path), "--source", str(source)]
    monkeypatch.setattr(sys, "argv", ["renew_novelty.py", *words])
    renewal.main()
    after = read_description(file)
    assert before.novelty is not None
    assert after.novelty is not None
    for name in ("num_crystals", "elements", "pairs", "kinds", "geometry"):
        assert getattr(after.novelty, name) == getattr(before.novelty, name)
    assert before.calibration is not None
    assert after.calibration is not None
    [[scores]] = before.calibration.scores.values()
    [[renewed]] = after.calibration.scores.values()
    assert renewed == pytest.approx(scores, rel=0.05)
    own = ["band-gap", "--output", str(tmp_path), "--run", str(run)]
    monkeypatch.setattr(sys, "argv", ["renew_novelty.py", *own])
    renewal.main()
    assert read_description(file).novelty == after.novelty
    assert read_description(file).calibration == after.calibration
    monkeypatch.setattr(sys, "argv", ["renew_novelty.py", *words, *own[-2:]])
    with pytest.raises(SystemExit, match=r"--run is for a target .* without --source"):
        renewal.main()
    monkeypatch.setattr(sys, "argv", ["renew_novelty.py", *words])
    rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join(rows[:-4]))  # other crystals than it has learnt
    with pytest.raises(
        SystemExit, match=r"learnt \d+ crystals, .* data has \d+; train"
    ):
        renewal.main()


def test_run_that_tested_other_crystals_than_the_task_is_refused(
    script, monkeypatch, run, tmp_path
) -> None:
    words = ("band-gap", run, "--output", tmp_path, "--test", "matbench_jdft2d:none")
    with pytest.raises(SystemExit, match="crystals that are not in the test part of f"):
        make(script, monkeypatch, *words)


def random_run(folder: Path, target: str, *settings: str) -> Path:
    """Write a model of random weights."""
    torch.manual_seed(0)
    sizes = ["data.max_atoms=8", "model.pre_pool=[8]", "model.post_pool=[8]"]
    config = override(Config(), [f"data.targets=['{target}']", *sizes, *settings])
    description = ModelDescription(
        config=config, targets=(target,), target_ranges={target: (-3.0, 2.5)}
    )
    model = SiteNet(config.model, layout=description.layout)
    folder.mkdir()
    save_model(folder / "model.safetensors", model, description, half=True)
    return folder


def test_network_of_a_logarithm_predicts_the_modulus_itself(
    script, tmp_path, nacl: Structure
) -> None:
    run = random_run(tmp_path / "run", "log10(K_VRH)")
    networks, trained = script.read_runs([run])
    facts = script.FACTS["bulk-modulus"]
    model, description = script.round_weights(
        networks, script.describe(trained, facts, 1), tmp_path
    )
    assert description.target_ranges["bulk_modulus"] == (1e-3, 10**2.5)
    [value] = Predictor(model, description).predict([nacl])["bulk_modulus [GPa]"]
    [logarithm] = load_predictor(run).predict([nacl])["log10(K_VRH)"]
    assert np.log10(value) == pytest.approx(logarithm, abs=1e-5)


def test_runs_of_other_settings_are_no_ensemble(script, tmp_path) -> None:
    runs = [random_run(tmp_path / "a", "gap"), random_run(tmp_path / "b", "n")]
    with pytest.raises(SystemExit, match="b: other target_ranges, targets than"):
        script.read_runs(runs)
