"""Runs that are killed, stopped or run out of disk, and go on as if never."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from pyg_sitenet.config import Config, dump_config, override
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.training import train

# Dropout, averaging, a schedule and steps of two batches: all of it has to be resumed.
SETTINGS = (
    "data.max_sites=12",
    "training.max_epochs=4",
    "training.ema_decay=0.8",
    "training.schedule=cosine",
    "training.accumulate=2",
    "training.checkpoint_steps=1",
)


@pytest.fixture(scope="module")
def whole(
    config: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(override(config, SETTINGS), folder, cache=cache)
    return folder


class Run:
    """A training in a process of its own, forked: nothing is imported anew."""

    def __init__(self, config: Config, cache: Path, folder: Path) -> None:
        self.config = config
        self.cache = cache
        self.folder = folder
        self.last = folder / "checkpoints" / "last.ckpt"
        self.error = folder.with_name("error.txt")

    def start(self, before: Callable[[], None] | None = None) -> BaseProcess:
        """Start it, or continue it if it was started."""
        process = multiprocessing.get_context("fork").Process(
            target=self._run, args=(before,)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of idle threads
            process.start()
        return process

    def finish(self) -> None:
        """Run it to its end."""
        process = self.start()
        process.join(300)
        assert process.exitcode == 0, self.error.read_text()

    def kill_after(self, num_checkpoints: int, delay: float = 0.0) -> None:
        """Kill it so many checkpoints and seconds after its start."""
        process, seen = self.start(), set()
        while process.is_alive() and len(seen) < num_checkpoints:
            with suppress(FileNotFoundError):
                seen.add(self.last.stat().st_mtime_ns)
        time.sleep(delay)
        process.kill()
        process.join()

    def _run(self, before: Callable[[], None] | None) -> None:
        if before is not None:
            before()
        resume = (self.folder / "config.yaml").is_file()
        try:
            train(self.config, self.folder, resume=resume, cache=self.cache)
        except SiteNetError as error:
            self.error.write_text(str(error))
            sys.exit(1)


@pytest.fixture
def run(config: Config, cache: Path, tmp_path: Path) -> Run:
    return Run(override(config, SETTINGS), cache, tmp_path / "run")


def _assert_same(one: Path, other: Path) -> None:
    """Check that weights, optimiser, averages and history are equal bit by bit."""
    first, second = (load_model(folder)[0].state_dict() for folder in (one, other))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    states = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (one, other)
    ]
    for key in (
        "state_dict",
        "current_model_state",
        "optimizer_states",
        "lr_schedulers",
    ):
        _assert_equal(states[0][key], states[1][key])
    histories = [
        json.loads((folder / "metrics.json").read_text())["history"]
        for folder in (one, other)
    ]
    assert histories[0] == histories[1]


def _assert_equal(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert isinstance(other, dict)
        assert one.keys() == other.keys()
        for key in one:
            _assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert isinstance(other, list | tuple)
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            _assert_equal(left, right)
    else:
        assert one == other


@pytest.mark.parametrize(
    "times", [2, pytest.param(10, marks=pytest.mark.slow)], ids=["twice", "ten_times"]
)
def test_killed_run_ends_as_an_undisturbed_one(
    times: int, run: Run, whole: Path
) -> None:
    draw = random.Random(times)
    for _ in range(times):
        run.kill_after(draw.randint(1, 3), draw.uniform(0, 0.05))
    assert run.last.is_file()
    run.finish()
    _assert_same(whole, run.folder)


def test_ctrl_c_keeps_the_step(run: Run, whole: Path) -> None:
    # A shell starts background jobs with Ctrl-C ignored; here it must arrive.
    process = run.start(
        lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    while not run.last.is_file():
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 1
    assert "training was interrupted after" in run.error.read_text()
    run.finish()
    _assert_same(whole, run.folder)


def test_sigterm_ends_the_command_in_one_line_that_says_what_is_kept(
    run: Run, whole: Path, tmp_path: Path
) -> None:
    # No checkpoint is due within an epoch: what is kept is kept because of the signal.
    never = override(run.config, ["training.checkpoint_steps=1000"])
    (tmp_path / "config.yaml").write_text(dump_config(never))
    command = [sys.executable, "-m", "pyg_sitenet.cli", "train", "--json", "--config"]
    command += [str(tmp_path / "config.yaml"), "--output", str(run.folder)]
    process = subprocess.Popen(
        command,
        env=os.environ | {"PYG_SITENET_CACHE": str(run.cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not run.last.is_file() and process.poll() is None:
        time.sleep(0.001)
    process.terminate()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert errors.count("\n") == 1, errors
    assert "training was stopped by SIGTERM after" in errors
    assert f"{run.last} is kept" in errors
    run.finish()
    _assert_same(whole, run.folder)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_last_good_checkpoint_is_used_when_the_newest_is_damaged(
    damage: str,
    config: Config,
    cache: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = override(config, SETTINGS)
    train(override(config, ["training.max_epochs=2"]), tmp_path, cache=cache)
    last = tmp_path / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    kept = {"truncated": len(content) // 2, "flipped": len(content), "empty": 0}[damage]
    last.write_bytes(content[:kept])
    with caplog.at_level(logging.WARNING):
        resumed = train(config, tmp_path, resume=True, cache=cache)
    assert "last.ckpt: the checkpoint is damaged" in caplog.text
    assert "going on from" in caplog.text
    assert len(resumed.metrics["history"]) == 4


def test_damage_of_all_checkpoints_is_an_error(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    train(override(config, ["training.max_epochs=2"]), tmp_path, cache=cache)
    for name in ("last.ckpt", "previous.ckpt"):
        (tmp_path / "checkpoints" / name).write_bytes(b"PK")
    with pytest.raises(SiteNetError, match=r"last\.ckpt: the checkpoint is damaged"):
        train(config, tmp_path, resume=True, cache=cache)


def test_full_disk_is_an_error_that_leaves_the_old_checkpoint(
    run: Run, whole: Path
) -> None:
    run.kill_after(2)
    before = run.last.read_bytes()

    def fill_disk() -> None:  # no file may grow to the size of a checkpoint
        size = len(before) // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    process = run.start(fill_disk)
    process.join()
    assert process.exitcode == 1
    message = run.error.read_text()
    assert ".ckpt: the checkpoint cannot be written: File too large" in message
    assert "free some space and continue with resume (--resume)" in message
    assert run.last.read_bytes() == before
    assert not list(run.last.parent.glob(".*"))
    run.finish()
    _assert_same(whole, run.folder)


def test_run_folder_says_with_what_it_was_made(whole: Path) -> None:
    (start,) = json.loads((whole / "environment.json").read_text())["starts"]
    assert start["versions"]["torch"] == version("torch")
    assert {"python", "lightning", "pyg-sitenet"} <= set(start["versions"])
    assert start["devices"] == 1
