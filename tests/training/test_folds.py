"""Folds that are continued: what is kept, what is trained on, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pyg_sitenet.config import Config, load_config, override
from pyg_sitenet.errors import ConfigError, DataError, SiteNetError
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.folds import cross_validate


@pytest.fixture(scope="module")
def short(config: Config) -> Config:
    return override(config, ["training.max_epochs=1"])


@pytest.fixture(scope="module")
def done(
    short: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    return cross_validate(short, tmp_path_factory.mktemp("cv") / "two", 2, cache=cache)


@pytest.fixture
def own(done: RunResult, tmp_path: Path) -> Path:
    """A copy of the finished folds."""
    return shutil.copytree(done.folder, tmp_path / "own")


def test_finished_folds_are_kept_as_they_are(
    done: RunResult, short: Config, cache: Path
) -> None:
    models = [done.folder / f"fold_{k}" / "model.safetensors" for k in (0, 1)]
    before = [path.stat().st_mtime_ns for path in models]
    again = cross_validate(short, done.folder, 2, resume=True, cache=cache)
    assert again.metrics == done.metrics
    assert [path.stat().st_mtime_ns for path in models] == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.heads=3", r"model\.heads = 2, not 3"),
        ("data.targets=[refractive_index]", r"data\.targets = \['band_gap'\], not"),
    ],
)
def test_finished_folds_of_other_settings_are_refused(
    setting: str, message: str, done: RunResult, short: Config, cache: Path
) -> None:
    other = override(short, [setting])
    message = rf"fold_0/config\.yaml: the run to continue has {message}"
    with pytest.raises(ConfigError, match=message):
        cross_validate(other, done.folder, 2, resume=True, cache=cache)


def test_finished_folds_of_other_data_are_refused(
    done: RunResult, short: Config, cache: Path
) -> None:
    other = override(short, ["data.source=dielectric"])
    message = r"data\.json: the run to continue has other data: \d+ crystals are new"
    with pytest.raises(DataError, match=message):
        cross_validate(other, done.folder, 2, resume=True, cache=cache)


def test_another_number_of_folds_is_refused(
    done: RunResult, short: Config, cache: Path
) -> None:
    with pytest.raises(ConfigError, match=r"has data\.folds = 2, not 3; start a new"):
        cross_validate(short, done.folder, 3, resume=True, cache=cache)


def test_more_epochs_continue_finished_folds(
    own: Path, config: Config, cache: Path
) -> None:
    longer = override(config, ["training.max_epochs=2"])
    first = [_history(own, fold) for fold in (0, 1)]
    result = cross_validate(longer, own, 2, resume=True, cache=cache)
    for fold, before in enumerate(first):
        assert [item["epoch"] for item in _history(own, fold)] == [1, 2]
        assert _history(own, fold)[:1] == before
    assert json.loads((own / "summary.json").read_text()) == result.metrics


def test_fold_stopped_on_its_way_to_more_epochs_is_not_taken_for_finished(
    own: Path, config: Config, cache: Path
) -> None:
    longer = override(config, ["training.max_epochs=2"])
    checkpoints = list((own / "fold_0" / "checkpoints").glob("*.ckpt"))
    for path in checkpoints:
        path.write_bytes(b"PK")  # so that it ends after the new settings are written
    for _ in range(2):
        with pytest.raises(SiteNetError, match="the checkpoint is damaged"):
            cross_validate(longer, own, 2, resume=True, cache=cache)
        stated = load_config(own / "fold_0" / "config.yaml")
        assert stated.training.max_epochs == 2


def test_nothing_to_continue_is_refused(
    short: Config, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(SiteNetError, match="holds no folds to continue; start them"):
        cross_validate(short, tmp_path / "none", 2, resume=True, cache=cache)
    assert not (tmp_path / "none").exists()


def test_folds_are_not_continued_as_one_run(
    own: Path, short: Config, cache: Path
) -> None:
    with pytest.raises(SiteNetError, match="holds 2 folds, not one run; continue them"):
        train(short, own, resume=True, cache=cache)


def test_run_and_folds_have_folders_of_their_own(
    own: Path, short: Config, cache: Path
) -> None:
    with pytest.raises(SiteNetError, match="holds the folds of a cross-validation; ch"):
        train(short, own, cache=cache)
    with pytest.raises(SiteNetError, match="fold_0: holds a run already, not folds; "):
        cross_validate(short, own / "fold_0", 2, cache=cache)


def test_summary_of_something_else_is_kept(
    short: Config, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(SiteNetError, match=r"summary\.json: was written by something"):
        cross_validate(short, tmp_path, 2, cache=cache)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_summary_that_cannot_be_written_says_that_the_folds_are_complete(
    own: Path, short: Config, cache: Path
) -> None:
    (own / "summary.json").unlink()
    (own / "summary.json").mkdir()
    message = r"summary\.json: cannot be written: .* runs of the folds are complete"
    with pytest.raises(SiteNetError, match=message):
        cross_validate(short, own, 2, resume=True, cache=cache)


def test_kind_of_device_reaches_the_folds(
    short: Config, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"invalid accelerator name.*'abacus'"):
        cross_validate(short, tmp_path, 2, cache=cache, accelerator="abacus")


def test_several_processes_are_refused_before_anything_is_written(
    short: Config, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = {"TORCHELASTIC_RUN_ID": "a", "RANK": "0", "LOCAL_RANK": "0"}
    for name, value in {**started, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    message = "folds are trained by one process, got 2; start them without torchrun"
    with pytest.raises(ConfigError, match=message):
        cross_validate(short, tmp_path / "cv", 2, cache=cache)
    assert not (tmp_path / "cv").exists()


def _history(folder: Path, fold: int) -> list[dict[str, float]]:
    metrics = json.loads((folder / f"fold_{fold}" / "metrics.json").read_text())
    history: list[dict[str, float]] = metrics["history"]
    return history


def test_two_numbers_of_folds_are_refused(
    short: Config, cache: Path, tmp_path: Path
) -> None:
    three = override(short, ["data.folds=3"])
    with pytest.raises(ConfigError, match=r"data\.folds is 3, but 2 folds are asked"):
        cross_validate(three, tmp_path / "folds", 2, cache=cache)


def test_a_fold_of_no_folds_is_refused(short: Config) -> None:
    with pytest.raises(ConfigError, match=r"fold 3 needs data\.folds"):
        override(short, ["data.fold=3"])
