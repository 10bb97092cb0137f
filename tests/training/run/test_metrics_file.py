"""The file that says a run is finished: whole, without NaN, and no older than it."""

from __future__ import annotations

import json
import logging
import math
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyg_sitenet.config import Config, override
from pyg_sitenet.errors import ModelFileError, SiteNetError
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.run.metrics_file import (
    is_finished,
    read_history,
    read_metrics,
    write_metrics,
)
from pyg_sitenet.training.run.record import write_config
from pyg_sitenet.training.run.run_folder import RunFolder

METRICS: dict[str, Any] = {
    "history": [],
    "best_epoch": None,
    "targets": {},
    "notes": [],
}


@contextmanager
def _small_files() -> Iterator[None]:
    """Let no file grow beyond 16 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_metrics_that_cannot_be_written_leave_the_old_ones(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_metrics(folder, METRICS)
    message = r"cannot be written: File too large; .* continue with resume \(--resume\)"
    with _small_files(), pytest.raises(SiteNetError, match=message):
        write_metrics(folder, METRICS | {"best_epoch": 7})
    assert read_metrics(folder) == METRICS
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize("content", [b'{"history": [{"ep', b"[]", b"{}", b"\xff", b""])
def test_torn_metrics_are_an_error_and_the_run_is_not_finished(
    content: bytes, run: RunResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder(tmp_path)
    shutil.copy(run.folder / "config.yaml", folder.config)
    shutil.copy(run.folder / "metrics.json", folder.metrics)
    config = override(Config(), ["training.max_epochs=3"])
    assert is_finished(folder, config)
    folder.metrics.write_bytes(content)
    message = r"metrics\.json: no metrics of a run .* continuing the run with resume"
    with pytest.raises(ModelFileError, match=message):
        read_metrics(folder)
    with pytest.raises(ModelFileError, match=message):
        read_history(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert not is_finished(folder, config)
    assert "the end of the run is done again" in caplog.text


def test_run_that_goes_on_for_longer_is_finished_no_more(tmp_path: Path) -> None:
    folder, longer = (
        RunFolder(tmp_path),
        override(Config(), ["training.max_epochs=500"]),
    )
    write_config(folder, Config())
    write_metrics(folder, METRICS)
    write_config(folder, Config())
    assert is_finished(folder, Config())
    write_config(folder, longer)  # it may be killed now
    assert not is_finished(folder, longer)


@pytest.mark.parametrize("rate", [30, 1000])
def test_run_with_errors_beyond_all_numbers_is_finished_and_says_so(
    rate: int, config: Config, cache: Path, tmp_path: Path
) -> None:
    settings = [
        "data.targets=[refractive_index]",
        "data.units={}",
        "data.val_fraction=0.2",
        "training.target_transform={refractive_index: log}",
        f"training.learning_rate={rate}",
    ]
    wild = override(config, settings)
    result = train(wild, tmp_path, cache=cache)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == result.metrics
    history, best = read_history(tmp_path)
    key = "train/mae/refractive_index"
    errors = [epoch[key] for epoch in result.metrics["history"]]
    assert None in errors  # in which epochs, rounding decides
    for epoch, error in enumerate(errors):
        assert math.isnan(history[epoch][key]) == (error is None)
        assert math.isfinite(history[epoch]["train/loss"])
    assert f"history {key}" in result.metrics["notes"][-1]
    assert best == result.metrics["best_epoch"]
    if best is None:
        assert "no validation error was finite" in result.metrics["notes"][0]
    again = train(wild, tmp_path, cache=cache, resume=True).metrics
    again["seconds"] = result.metrics["seconds"]
    assert again == result.metrics
