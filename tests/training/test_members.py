"""An ensemble of two small members, with a calibration part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_sitenet.config import Config, override
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import load_model, read_description
from pyg_sitenet.nn import SiteNetEnsemble
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.members import member_config


@pytest.fixture(scope="module")
def settings(config: Config) -> Config:
    shares = ["data.calibration_fraction=0.4", "data.val_fraction=0.2"]
    return override(config, [*shares, "training.members=2", "training.max_epochs=2"])


@pytest.fixture(scope="module")
def ensemble(
    settings: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    return train(settings, tmp_path_factory.mktemp("runs") / "two", cache=cache)


def test_one_model_file_holds_all_members(ensemble: RunResult) -> None:
    model, description = load_model(ensemble.folder)
    assert isinstance(model, SiteNetEnsemble)
    assert description.members == len(model.members) == 2
    for k, member in enumerate(model.members):
        alone, _ = load_model(ensemble.folder / "members" / str(k))
        for name, tensor in alone.state_dict().items():
            assert tensor.equal(member.state_dict()[name]), name


def test_members_differ_by_their_seed(ensemble: RunResult) -> None:
    assert [item["seed"] for item in ensemble.metrics["members"]] == [0, 1]
    model, _ = load_model(ensemble.folder)
    first, second = (member.readout.linear.weight for member in model.members)
    assert not first.equal(second)


def test_ensembles_of_two_seeds_share_no_member(settings: Config) -> None:
    other = override(settings, ["training.seed=1"])
    seeds = [
        member_config(item, k).training.seed
        for item in (settings, other)
        for k in (0, 1)
    ]
    assert seeds == [0, 1, 2, 3]


def test_errors_are_those_of_the_mean(ensemble: RunResult) -> None:
    rows = pd.read_csv(ensemble.folder / "predictions.csv")
    members = [
        pd.read_csv(ensemble.folder / f"members/{k}/predictions.csv") for k in (0, 1)
    ]
    value = "predicted band_gap [eV]"
    both = np.stack([item[value] for item in members])
    np.testing.assert_allclose(rows[value], both.mean(axis=0), rtol=1e-4)
    spread = both.std(axis=0, ddof=1)
    np.testing.assert_allclose(rows["spread band_gap [eV]"], spread, rtol=1e-3)
    error = (rows["band_gap [eV]"] - rows[value]).abs().mean()
    mae = ensemble.metrics["targets"]["band_gap"]["test"]["mae"]
    assert mae == pytest.approx(error, rel=1e-4)


def test_calibration_part_made_the_scores(ensemble: RunResult) -> None:
    calibration = read_description(ensemble.folder).calibration
    assert calibration is not None
    count = ensemble.metrics["num_crystals"]["calibration"]
    [scores] = calibration.scores["band_gap"]
    assert len(scores) == count == 8
    assert (ensemble.folder / "figures" / "calibration.png").is_file()
    rows = ensemble.metrics["targets"]["band_gap"]["coverage"]
    assert [row["level"] for row in rows] == [0.5, 0.6, 0.7, 0.8]


def test_history_is_the_mean_of_the_members(ensemble: RunResult) -> None:
    key = "val/mae/band_gap"
    histories = [
        json.loads((ensemble.folder / f"members/{k}/metrics.json").read_text())
        for k in (0, 1)
    ]
    for epoch, row in enumerate(ensemble.metrics["history"]):
        values = [history["history"][epoch][key] for history in histories]
        assert row[key] == pytest.approx(sum(values) / 2)
    assert ensemble.metrics["best_epoch"] is None


def test_resuming_trains_what_is_missing_and_nothing_else(
    ensemble: RunResult, settings: Config, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stopped"
    # Stopped after the first member: only it has been finished.
    (folder / "members").mkdir(parents=True)
    (ensemble.folder / "members" / "0").rename(folder / "members" / "0")
    (folder / "config.yaml").write_bytes((ensemble.folder / "config.yaml").read_bytes())
    first = folder / "members" / "0" / "model.safetensors"
    before = first.stat().st_mtime_ns
    try:
        again = train(settings, folder, cache=cache, resume=True)
        assert first.stat().st_mtime_ns == before
        model, _ = load_model(folder)
        whole, _ = load_model(ensemble.folder)
        for name, tensor in whole.state_dict().items():
            assert tensor.equal(model.state_dict()[name]), name
        assert again.metrics["targets"] == ensemble.metrics["targets"]
    finally:
        first.parent.rename(ensemble.folder / "members" / "0")


def test_single_model_is_calibrated_in_units_of_the_target(
    settings: Config, cache: Path, tmp_path: Path
) -> None:
    alone = override(settings, ["training.members=1", "training.max_epochs=1"])
    run = train(alone, tmp_path / "one", cache=cache)
    calibration = read_description(run.folder).calibration
    assert calibration is not None
    assert calibration.floors == {"band_gap": 1.0}
    [scores] = calibration.scores["band_gap"]
    assert list(scores) == sorted(scores)


def test_without_calibration_part_there_are_no_intervals(run: RunResult) -> None:
    assert read_description(run.folder).calibration is None
    assert "coverage" not in run.metrics["targets"]["band_gap"]


def test_several_processes_are_refused_before_anything_is_written(
    settings: Config, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"by one process, got 2; .* without devices"):
        train(settings, tmp_path / "run", cache=cache, devices=2)
    assert not (tmp_path / "run").exists()
