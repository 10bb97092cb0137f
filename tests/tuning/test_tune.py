"""A search of a few trials on a local cluster."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pyg_sitenet.config import Config, dump_config, load_config, override
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.errors import ConfigError, SiteNetError

pytest.importorskip("ray", reason="needs the extra: pip install pyg-sitenet[ray]")
pytest.importorskip("optuna", reason="needs the extra: pip install pyg-sitenet[ray]")

from pyg_sitenet.training.run.run_folder import RunFolder
from pyg_sitenet.tuning import TuneResult, tune
from pyg_sitenet.tuning.space import apply_draw, ray_space
from pyg_sitenet.tuning.trial import train_trial
from pyg_sitenet.tuning.tuner import make_scheduler

# Ray opens files and sockets that it closes when its processes end.
pytestmark = pytest.mark.filterwarnings("ignore")
SEARCHED = ("model.heads", "model.pre_pool", "training.learning_rate")
SMALL = (
    "data.max_atoms=8",
    "data.workers=1",
    "data.val_fraction=0.3",
    "model.site_channels_per_head=4",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[8]",
    "model.post_pool=[8]",
    "model.embedding_channels=4",
    "training.max_epochs=2",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("crystals")
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "band_gap"])
        for record in itertools.islice(open_source("dielectric", ("band_gap",)), 16):
            record.structure.to(str(folder / f"{record.id}.cif"))
            writer.writerow([f"{record.id}.cif", record.targets["band_gap"]])
    return override(Config(), [*SMALL, f"data.source={folder}"])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def workers_as_important_as_others() -> Iterator[None]:
    """By default Ray's yield to everything else, and a busy machine has much else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")
        yield


@pytest.fixture(scope="module")
def search(
    config: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> TuneResult:
    return tune(
        config,
        tmp_path_factory.mktemp("search") / "run",
        num_trials=3,
        settings=SEARCHED,
        concurrent=1,
        grace_epochs=1,
        cache=cache,
    )


def test_best_settings_are_those_of_the_lowest_score(search: TuneResult) -> None:
    assert len(search.trials) == 3
    best = search.trials.loc[search.trials["score"].idxmin()]
    assert search.score == best["score"] == search.trials["score"].min()
    assert load_config(search.folder / "best.yaml") == search.config
    assert search.config.model.heads == best["model.heads"]
    width, layers = best["model.pre_pool.width"], best["model.pre_pool.layers"]
    assert search.config.model.pre_pool == (width,) * layers
    assert search.config.training.learning_rate == best["training.learning_rate"]


def test_what_is_not_searched_stays(search: TuneResult, config: Config) -> None:
    assert search.config.model.attention_hidden == (8,)
    assert search.config.data == config.data


def test_trials_differ_and_leave_run_folders(search: TuneResult) -> None:
    assert search.trials["training.learning_rate"].nunique() == 3
    runs = [run for run in (search.folder / "trials").iterdir() if run.is_dir()]
    assert {run.name for run in runs} == set(search.trials["trial"])
    assert all((run / "config.yaml").is_file() for run in runs)
    ended = {run.name for run in runs if (run / "model.safetensors").is_file()}
    full = search.trials["epochs"] == 2  # not stopped before the end
    assert ended == set(search.trials["trial"][full])


def test_trial_that_falls_behind_is_stopped(search: TuneResult) -> None:
    # The first rung is after an epoch, and the best quarter passes it.
    firsts: list[float] = []
    passed = []
    for name, score in zip(search.trials["trial"], search.trials["score"], strict=True):
        metrics = search.folder / "trials" / name / "metrics.json"
        if metrics.is_file():
            score = json.loads(metrics.read_text())["history"][0]["val/score"]
        passed.append(not firsts or score <= np.percentile(firsts, 25))
        firsts.append(score)
    assert passed == (search.trials["epochs"] == 2).tolist()
    assert not all(passed), "the case has no trial that falls behind"


def test_scheduler_compares_trials_at_the_same_epoch() -> None:
    scheduler = make_scheduler(epochs=16, grace_epochs=1)
    scheduler.set_search_properties("score", "min")
    trials = [SimpleNamespace(trial_id=name) for name in ("good", "bad", "resumed")]
    for trial in trials:
        scheduler.on_trial_add(None, trial)

    def decide(trial: SimpleNamespace, iteration: int, epoch: int, score: float) -> str:
        result = {"training_iteration": iteration, "epoch": epoch, "score": score}
        return str(scheduler.on_trial_result(None, trial, result))

    good, bad, resumed = trials
    assert [decide(good, k, k, 1 / k) for k in range(1, 5)] == ["CONTINUE"] * 4
    assert decide(bad, 1, 1, 2.0) == "STOP"
    # As good at epoch 1 as the first was, and worse at epoch 4.
    assert decide(resumed, 1, 1, 0.9) == "CONTINUE"
    assert decide(resumed, 2, 4, 0.9) == "STOP"


class _StoppedError(Exception):
    pass


def test_trial_that_goes_on_reports_what_an_undisturbed_one_does(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    rough = ["training.max_epochs=6", "training.learning_rate=0.05"]
    config = override(config, rough)
    whole: list[dict[str, float]] = []
    train_trial(config, RunFolder(tmp_path / "whole"), cache, whole.append)
    history = json.loads((tmp_path / "whole" / "metrics.json").read_text())["history"]
    scores = [epoch["val/score"] for epoch in history]
    assert [report["score"] for report in whole] == list(
        itertools.accumulate(scores, min)
    )
    assert [report["epoch"] for report in whole] == [1, 2, 3, 4, 5, 6]

    stop = next(k for k in range(1, 5) if scores[k] > min(scores[:k])) + 2
    before: list[dict[str, float]] = []

    def report(result: dict[str, float]) -> None:
        before.append(result)
        if len(before) == stop:
            raise _StoppedError

    run = RunFolder(tmp_path / "parts")
    with pytest.raises(_StoppedError):
        train_trial(config, run, cache, report)
    after: list[dict[str, float]] = []
    train_trial(config, run, cache, after.append)
    assert before == whole[:stop]
    assert after == whole
    # One that had come to its end before the search was stopped says so, too.
    again: list[dict[str, float]] = []
    train_trial(config, run, cache, again.append)
    assert again == whole


def test_search_leaves_a_table_and_a_figure(search: TuneResult) -> None:
    with (search.folder / "trials.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
    assert (search.folder / "figures" / "search.png").stat().st_size > 5_000


def test_finished_search_is_not_overwritten(
    search: TuneResult, config: Config, cache: Path
) -> None:
    with pytest.raises(SiteNetError, match="holds a search already"):
        tune(config, search.folder, cache=cache)


def test_resumed_search_keeps_what_was_found(
    search: TuneResult, config: Config, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = SEARCHED[::-1]
    again = tune(config, search.folder, settings=names, resume=True, cache=cache)
    assert again.score == search.score
    assert set(again.trials["trial"]) == set(search.trials["trial"])
    assert capsys.readouterr().out == ""  # what Ray prints would spoil --json


def test_search_goes_on_as_it_was_begun_without_being_told(
    search: TuneResult, config: Config, cache: Path
) -> None:
    again = tune(config, search.folder, resume=True, cache=cache)
    assert set(again.trials["trial"]) == set(search.trials["trial"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"settings": ["model.heads"]},
            r"has settings = model\.heads, model\.pre_pool, training\.learning_rate, "
            r"not model\.heads; leave it out \(--search\) to continue",
        ),
        ({"num_trials": 4}, r"num_trials = 3, not 4; leave it out \(--trials\)"),
        ({"concurrent": 2}, r"concurrent = 1, not 2; .* \(--concurrent\)"),
        ({"grace_epochs": 2}, r"grace_epochs = 1, not 2; .* a new search in another"),
    ],
)
def test_search_is_not_continued_in_another_way(
    given: dict[str, Any],
    message: str,
    search: TuneResult,
    config: Config,
    cache: Path,
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(config, search.folder, **given, resume=True, cache=cache)


def test_new_search_prints_nothing(
    config: Config, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(config, tmp_path / "x", num_trials=1, settings=["model.heads"], cache=cache)
    assert capsys.readouterr().out == ""


def test_resume_needs_a_search(config: Config, tmp_path: Path) -> None:
    with pytest.raises(SiteNetError, match="holds no search to continue"):
        tune(config, tmp_path, resume=True)


def test_search_of_others_is_not_unpickled(config: Config, tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "tuner.pkl").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(SiteNetError, match="its state is pickled"):
        tune(config, tmp_path, resume=True)


def test_space_is_drawn_from_the_ranges_of_the_settings() -> None:
    space = ray_space(["model.heads", "model.norm", "model.post_pool"])
    draws = [{name: draw.sample() for name, draw in space.items()} for _ in range(200)]
    assert {draw["model.heads"] for draw in draws} == set(range(1, 9))
    assert {draw["model.norm"] for draw in draws} == {"layer", "batch", "none"}
    assert {draw["model.post_pool.layers"] for draw in draws} == {1, 2, 3, 4}
    assert all(32 <= draw["model.post_pool.width"] <= 256 for draw in draws)


def test_no_layers_are_an_empty_network() -> None:
    drawn = {"model.attention_hidden.layers": 0, "model.attention_hidden.width": 64}
    assert apply_draw(Config(), drawn).model.attention_hidden == ()


def test_setting_without_range_is_named() -> None:
    with pytest.raises(ConfigError, match=r"model\.dropout: has no range"):
        ray_space(["model.dropout"])


def test_validation_part_is_needed(config: Config, tmp_path: Path) -> None:
    without = override(config, ["data.val_fraction=0"])
    with pytest.raises(ConfigError, match="val_fraction must be above 0"):
        tune(without, tmp_path / "x")


def test_ensemble_is_not_searched(config: Config, tmp_path: Path) -> None:
    ensemble = override(config, ["training.members=3"])
    message = "members must be 1, got 3: a trial is a single network; train the best"
    with pytest.raises(ConfigError, match=message):
        tune(ensemble, tmp_path / "x")


class AskedError(Exception):
    """The cluster was asked for."""


def refuse(address: str, **_: object) -> None:
    raise AskedError(address)


def test_what_the_data_hide_is_told_before_the_first_trial(
    config: Config,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ray.init", refuse)
    config = override(config, ["data.units={gap: eV}"])
    with pytest.raises(AskedError):
        tune(config, tmp_path / "x", cache=cache)
    note = "data.units names 'gap', which is no target (band_gap)"
    assert caplog.messages.count(note) == 1


@pytest.mark.parametrize(
    ("address", "of_job", "expected"),
    [
        (None, None, "local"),  # never a cluster that happens to run here
        (None, "head:6379", "head:6379"),
        ("auto", "head:6379", "auto"),
    ],
)
def test_only_a_named_cluster_is_joined(
    address: str | None,
    of_job: str | None,
    expected: str,
    config: Config,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if of_job:
        monkeypatch.setenv("RAY_ADDRESS", of_job)

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(AskedError, match=f"^{expected}$"):
        tune(config, tmp_path / "x", address=address, cache=cache)


def test_missing_ray_is_named(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SiteNetError, match=r"install pyg-sitenet\[ray\]"):
        tune(config, tmp_path / "x")


@pytest.mark.slow
def test_killed_search_goes_on_where_it_was(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(dump_config(override(config, ["training.max_epochs=2"])))
    words = [sys.executable, "-m", "pyg_sitenet.cli", "tune", config.data.source]
    words += ["--config", settings, "--trials", "4", "--concurrent", "1", "--json"]
    words += ["--search", "model.heads", "--output", tmp_path / "run"]
    command = [str(word) for word in words]
    environment = os.environ | {"PYG_SITENET_CACHE": str(cache)}
    running = subprocess.Popen(command, env=environment, start_new_session=True)
    deadline = time.monotonic() + 300
    done = tmp_path / "run" / "trials"
    while len(list(done.glob("*/metrics.json"))) < 2:  # two of four have ended
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.5)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    ended = [path.with_name("checkpoints") for path in done.glob("*/metrics.json")]
    before = {path: path.stat().st_mtime_ns for path in ended}
    again = subprocess.run(
        [*command, "--resume"], env=environment, check=True, capture_output=True
    )
    assert json.loads(again.stdout)["trials"] == 4
    # Ray may not have noted yet that the last one ended: it is tested again, but no
    # epoch is trained twice.
    assert all(path.stat().st_mtime_ns == time_ for path, time_ in before.items())
    with (tmp_path / "run" / "trials.csv").open() as file:
        assert all(float(row["score"]) > 0 for row in csv.DictReader(file))


@pytest.mark.slow
def test_full_disk_is_one_line(config: Config, cache: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted: {done.stderr.strip()}")
    try:
        with pytest.raises(SiteNetError, match=r"cannot keep its state there: .* room"):
            tune(config, disk / "search", num_trials=1, settings=SEARCHED, cache=cache)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
