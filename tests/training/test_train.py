from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rich
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pyg_sitenet.config import Config, dump_config, load_config, override
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.evaluation import evaluate
from pyg_sitenet.model_file import load_model, read_description
from pyg_sitenet.prediction import load_predictor
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.loop.fit import TrainingInterruptedError


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder)[0].state_dict())


def _assert_same_weights(run: Path, twin: Path) -> None:
    first, second = _weights(run), _weights(twin)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=0, atol=0, msg=name)


def test_run_folder_is_complete(run: RunResult) -> None:
    expected = (
        "config.yaml",
        "model.safetensors",
        "metrics.json",
        "predictions.csv",
        "failures.csv",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "figures/learning_curve.png",
        "figures/parity.png",
    )
    assert [name for name in expected if not (run.folder / name).is_file()] == []
    assert list((run.folder / "tensorboard").glob("events.out.tfevents*"))


def test_tensorboard_shows_rate_settings_scores_figures_and_best_epoch(
    run: RunResult,
) -> None:
    folder = run.folder / "tensorboard"
    events = EventAccumulator(str(folder)).Reload()
    rates = [event.value for event in events.Scalars("learning_rate")]
    history = run.metrics["history"]
    assert rates == pytest.approx([epoch["learning_rate"] for epoch in history])
    assert rates == pytest.approx([0.01] * 3)
    best = events.Scalars("best_epoch")[0].value
    assert best == run.metrics["best_epoch"]
    mae = events.Scalars("test/mae/band_gap")[0].value
    assert mae == pytest.approx(run.metrics["targets"]["band_gap"]["test"]["mae"])
    assert {"figures/parity", "figures/learning_curve"} <= set(events.Tags()["images"])
    (settings,) = events.Tensors("settings/text_summary")
    assert b"learning_rate: 0.01" in settings.tensor_proto.string_val[0]
    assert "heads: 2" in (folder / "hparams.yaml").read_text()


def test_metrics_file_is_what_train_returns(run: RunResult) -> None:
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics == run.metrics
    band_gap = metrics["targets"]["band_gap"]
    assert band_gap["unit"] == "eV"
    assert set(band_gap["baselines"]) == {"mean", "composition"}
    assert metrics["num_crystals"] == {"train": 17, "val": 2, "test": 5, "failed": 0}
    assert [item["epoch"] for item in metrics["history"]] == [1, 2, 3]


def test_predictions_file_holds_the_test_part_and_its_error(run: RunResult) -> None:
    table = pd.read_csv(run.folder / "predictions.csv")
    names = ["id", "formula", "band_gap [eV]", "predicted band_gap [eV]"]
    assert list(table.columns) == names
    mae = (table[names[2]] - table[names[3]]).abs().mean()
    assert len(table) == 5
    assert mae == pytest.approx(run.metrics["targets"]["band_gap"]["test"]["mae"], 1e-4)


def test_saved_model_predicts_what_the_run_reported(
    run: RunResult, config: Config
) -> None:
    table = pd.read_csv(run.folder / "predictions.csv")
    files = [Path(config.data.source) / f"{name}.cif" for name in table["id"]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has never seen.*in training")
        predicted = load_predictor(run.folder).predict(files)
    np.testing.assert_allclose(
        predicted["band_gap [eV]"], table["predicted band_gap [eV]"], atol=2e-5
    )


def test_saved_weights_are_the_best_not_the_last(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = [
        "data.val_fraction=0.4",
        "data.max_sites=12",
        "training.max_epochs=6",
        "training.learning_rate=0.1",
    ]
    metrics = train(override(config, settings), tmp_path, cache=cache).metrics
    scores = [item["val/score"] for item in metrics["history"]]
    best = int(np.argmin(scores))
    assert best < len(scores) - 1, "the case does not tell best from last"
    assert metrics["best_epoch"] == best + 1
    # Validation runs in several batches: their errors count by crystals.
    logged = metrics["history"][best]["val/mae/band_gap"]
    assert metrics["targets"]["band_gap"]["val"]["mae"] == pytest.approx(logged, 1e-5)
    state = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    for name, tensor in _weights(tmp_path).items():
        # Rows of the element table are limited to norm 1 when they are first used.
        if name != "site_embedding.elements.weight":
            assert torch.equal(tensor, state["state_dict"][f"model.{name}"]), name


def test_model_file_describes_its_training_data(run: RunResult, config: Config) -> None:
    description = read_description(run.folder)
    low, high = description.target_ranges["band_gap"]
    assert description.config == config
    assert description.units == {"band_gap": "eV"}
    assert 0 < low < high
    assert 8 in description.elements
    assert description.metrics["best_epoch"] == run.metrics["best_epoch"]


def test_config_of_a_run_repeats_it(
    run: RunResult, cache: Path, tmp_path: Path
) -> None:
    again = train(load_config(run.folder / "config.yaml"), tmp_path / "b", cache=cache)
    for key in ("targets", "history", "best_epoch"):
        assert again.metrics[key] == run.metrics[key]
    _assert_same_weights(run.folder, again.folder)


def test_resumed_run_equals_an_uninterrupted_one(
    run: RunResult, config: Config, cache: Path, tmp_path: Path
) -> None:
    # Dropout and the order of batches are those of the epoch, not of the process.
    train(override(config, ["training.max_epochs=1"]), tmp_path, cache=cache)
    resumed = train(config, tmp_path, resume=True, cache=cache)
    assert resumed.metrics["history"] == run.metrics["history"]
    _assert_same_weights(run.folder, resumed.folder)


def test_resuming_a_finished_run_changes_nothing(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    short = override(config, ["training.max_epochs=1"])
    first = train(short, tmp_path, cache=cache)
    again = train(short, tmp_path, resume=True, cache=cache)
    assert again.metrics["targets"] == first.metrics["targets"]
    assert len(again.metrics["history"]) == 1


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """A shell starts background jobs with Ctrl-C ignored; here it must arrive."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
def test_interrupted_run_is_kept_and_can_be_resumed(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    last = tmp_path / "checkpoints" / "last.ckpt"
    handler = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        while not last.is_file():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    endless = override(config, ["training.max_epochs=500"])
    with pytest.raises(TrainingInterruptedError, match=r"interrupted after \d+ epochs"):
        train(endless, tmp_path, cache=cache)
    assert signal.getsignal(signal.SIGINT) is handler
    done = torch.load(last, weights_only=True)["epoch"] + 1
    more = override(config, [f"training.max_epochs={done + 1}"])
    resumed = train(more, tmp_path, resume=True, cache=cache)
    assert len(resumed.metrics["history"]) == done + 1


def test_training_learns_what_the_mean_cannot(
    make_source: Callable[[int], Path], config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = [
        f"data.source={make_source(8)}",
        "data.test_fraction=0",
        "data.val_fraction=0",
        "model.dropout=0",
        "training.max_epochs=60",
    ]
    result = train(override(config, settings), tmp_path, cache=cache)
    history = result.metrics["history"]
    table = pd.read_csv(Path(make_source(8)) / "table.csv")
    dummy = (table["band_gap"] - table["band_gap"].mean()).abs().mean()
    assert history[-1]["train/mae/band_gap"] < 0.2 * dummy


def test_two_targets_are_learnt_together(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = ["data.targets=[band_gap, refractive_index]", "training.max_epochs=2"]
    result = train(override(config, settings), tmp_path, cache=cache)
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert list(table.columns[2:]) == [
        "band_gap [eV]",
        "predicted band_gap [eV]",
        "refractive_index",
        "predicted refractive_index",
    ]
    for name, scores in result.metrics["targets"].items():
        assert scores["test"]["mae"] > 0, name


def test_one_crystal_trains_and_says_why_there_are_no_test_errors(
    make_source: Callable[[int], Path], config: Config, cache: Path, tmp_path: Path
) -> None:
    outcome = override(config, [f"data.source={make_source(1)}"])
    result = train(outcome, tmp_path, cache=cache)
    assert result.metrics["targets"]["band_gap"]["test"]["mae"] is None
    assert result.metrics["best_epoch"] is None
    assert any("no test crystals" in note for note in result.metrics["notes"])
    assert (tmp_path / "figures" / "parity.png").is_file()
    load_predictor(tmp_path)


def test_unusable_inputs_are_listed(
    make_source: Callable[[int], Path], config: Config, cache: Path, tmp_path: Path
) -> None:
    source = make_source(6)
    next(iter(source.glob("*.cif"))).write_text("")
    broken = override(config, [f"data.source={source}", "training.max_epochs=1"])
    result = train(broken, tmp_path, cache=cache)
    with (tmp_path / "failures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == result.metrics["num_crystals"]["failed"] == 1
    assert rows[0]["reason"]


def test_failures_file_has_its_header_without_failures(run: RunResult) -> None:
    text = (run.folder / "failures.csv").read_text()
    assert text.split() == ["origin,id,stage,reason,remedy"]


def test_training_is_silent(
    config: Config,
    cache: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        train(override(config, ["training.max_epochs=1"]), tmp_path, cache=cache)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert [record for record in caplog.records if "lightning" in record.name] == []


def test_progress_is_shown_on_standard_error(
    config: Config, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    console = rich.get_console()
    short = override(config, ["training.max_epochs=1"])
    train(short, tmp_path, progress=True, cache=cache)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "Epoch 1/1" in captured.err
    assert "val/mae/band_gap:" in captured.err
    assert rich.get_console() is console
    assert not console.stderr


def test_training_leaves_global_state_alone(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train(override(config, ["training.max_epochs=1"]), tmp_path, cache=cache)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_inference_mode_enabled()


def test_folder_of_another_run_is_not_overwritten(
    run: RunResult, config: Config
) -> None:
    with pytest.raises(SiteNetError, match="holds a run already; choose another"):
        train(config, run.folder)


def test_resume_refuses_other_settings(run: RunResult, config: Config) -> None:
    other = override(config, ["model.heads=3"])
    with pytest.raises(ConfigError, match=r"has model\.heads = 2, not 3"):
        train(other, run.folder, resume=True)


def test_resume_of_nothing_is_refused(config: Config, tmp_path: Path) -> None:
    with pytest.raises(SiteNetError, match="no run to continue"):
        train(config, tmp_path, resume=True)


def test_output_that_is_a_file_is_refused(config: Config, tmp_path: Path) -> None:
    output = tmp_path / "occupied"
    output.write_text("mine")
    with pytest.raises(SiteNetError, match=r"occupied: the output folder cannot be"):
        train(config, output)


def test_damaged_checkpoint_is_named(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    train(override(config, ["training.max_epochs=1"]), tmp_path, cache=cache)
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(SiteNetError, match=r"last\.ckpt: the checkpoint is damaged"):
        train(config, tmp_path, resume=True, cache=cache)


def test_divergence_names_epoch_crystals_and_remedy(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    wild = override(config, ["training.learning_rate=1.0e+30", "model.norm=none"])
    with pytest.raises(SiteNetError, match=r"became nan in epoch \d+ .*learning_rate"):
        train(wild, tmp_path, cache=cache)


def test_given_parts_are_the_parts_of_the_run(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    ids = [row.stem for row in sorted(Path(config.data.source).glob("*.cif"))]
    splits = {"train": ids[:10], "val": ids[10:13], "test": [*ids[13:16], "unusable"]}
    one_epoch = override(config, ["training.max_epochs=1"])
    result = train(one_epoch, tmp_path / "run", cache=cache, splits=splits)
    sizes = {"train": 10, "val": 3, "test": 3, "failed": 0}
    assert result.metrics["num_crystals"] == sizes
    predictions = pd.read_csv(result.folder / "predictions.csv")
    assert list(predictions["id"]) == ids[13:16]


@pytest.mark.parametrize("config", ["default", {"data": {}}])
def test_name_of_a_preset_is_no_config(config: Any, tmp_path: Path) -> None:
    message = rf"must be a Config, as of load_preset.*, got {type(config).__name__}"
    with pytest.raises(TypeError, match=message):
        train(config, tmp_path / "run")


def test_run_is_not_continued_to_an_epoch_behind_it(
    run: RunResult, config: Config, cache: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    before = (
        (folder / "config.yaml").read_bytes(),
        (folder / "metrics.json").read_bytes(),
    )
    for epochs in (1, 2):
        shorter = override(config, [f"training.max_epochs={epochs}"])
        message = (
            rf"trained for 3 epochs, more than the {epochs} of training\.max_epochs"
        )
        with pytest.raises(ConfigError, match=message):
            train(shorter, folder, resume=True, cache=cache)
    # As an earlier version left it, whose settings were written before the check.
    broken = shutil.copytree(run.folder, tmp_path / "broken")
    (broken / "config.yaml").write_text(dump_config(shorter))
    (broken / "metrics.json").unlink()
    with pytest.raises(ConfigError, match="trained for 3 epochs, more than the 2 of"):
        train(shorter, broken, resume=True, cache=cache)
    after = (
        (folder / "config.yaml").read_bytes(),
        (folder / "metrics.json").read_bytes(),
    )
    assert after == before


def test_evaluation_of_its_own_crystals_is_told(
    run: RunResult, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(run.folder, config.data.source, workers=0)
    parts = pd.read_csv(run.folder / "crystals.csv")["part"]
    learnt = int(parts.isin(["train", "val"]).sum())
    message = f"was trained on {learnt} of these {len(parts)} crystals"
    assert message in caplog.text
