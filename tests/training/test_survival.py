"""Runs that are killed, stopped or run out of disk, and go on as if never."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import resource
import shutil
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
from pyg_sitenet.errors import ConfigError, SiteNetError
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

    def kill_after(self, num_checkpoints: int, share: float = 0.0) -> None:
        """Kill it after so many new checkpoints and a share of the way to the next."""
        times = [self._written_at()]
        process = self.start()
        while process.is_alive() and len(times) <= num_checkpoints:
            written = self._written_at()
            if written > times[-1]:
                times.append(written)
            time.sleep(0.001)
        time.sleep(share * (times[-1] - times[-2:][0]) / 1e9)
        self._kill(process)

    def kill_at(self, name: str) -> None:
        """Kill it when it has written a file."""
        process = self.start()
        while process.is_alive() and not (self.folder / name).exists():
            time.sleep(0.001)
        self._kill(process)

    def _written_at(self) -> int:
        with suppress(FileNotFoundError):
            return self.last.stat().st_mtime_ns
        return 0

    def _kill(self, process: BaseProcess) -> None:
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before it was killed"
        assert not (self.folder / "metrics.json").exists()

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


def _assert_same(run: Path, twin: Path) -> None:
    """Check that weights, optimiser, averages and history are equal bit by bit."""
    first, second = (load_model(folder)[0].state_dict() for folder in (run, twin))
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    states = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (run, twin)
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
        for folder in (run, twin)
    ]
    assert histories[0] == histories[1]


def _assert_equal(first: object, other: object) -> None:
    if isinstance(first, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(first, other)
    elif isinstance(first, dict):
        assert isinstance(other, dict)
        assert first.keys() == other.keys()
        for key in first:
            _assert_equal(first[key], other[key])
    elif isinstance(first, list | tuple):
        assert isinstance(other, list | tuple)
        assert len(first) == len(other)
        for left, right in zip(first, other, strict=True):
            _assert_equal(left, right)
    else:
        assert first == other


def _kill_at_random(run: Run, times: int) -> None:
    """Kill it anywhere between two checkpoints, each time after some that are new."""
    draw = random.Random(times)
    for _ in range(times):
        run.kill_after(draw.randint(2, 3), draw.random())


def test_killed_run_ends_as_an_undisturbed_one(run: Run, whole: Path) -> None:
    _kill_at_random(run, 2)
    run.finish()
    _assert_same(whole, run.folder)
    assert not list(run.folder.rglob(".*"))


@pytest.mark.slow
def test_run_killed_ten_times_ends_as_an_undisturbed_one(
    run: Run, tmp_path: Path
) -> None:
    run.config = override(run.config, ["training.max_epochs=20"])
    train(run.config, tmp_path / "whole", cache=run.cache)
    _kill_at_random(run, 10)
    run.finish()
    _assert_same(tmp_path / "whole", run.folder)


def test_run_killed_while_it_writes_its_results_writes_them_again(
    run: Run, whole: Path
) -> None:
    run.kill_at("model.safetensors")
    run.kill_at("figures/learning_curve.png")
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
    *notes, error = errors.splitlines()
    assert notes == ["columns that are not used: refractive_index"]
    assert "training was stopped by SIGTERM after" in error
    assert f"{run.last} is kept" in error
    run.finish()
    _assert_same(whole, run.folder)


@pytest.fixture(scope="module")
def stopped(
    config: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run that was killed in its second epoch or later."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    Run(override(config, SETTINGS), cache, folder).kill_after(4)
    return folder


@pytest.mark.parametrize("damage", ["truncated", "flipped", "directory", "empty"])
def test_run_with_a_damaged_newest_checkpoint_ends_as_an_undisturbed_one(
    damage: str,
    run: Run,
    stopped: Path,
    whole: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.copytree(stopped, run.folder)
    content = bytearray(run.last.read_bytes())
    for part in range(2, 6):  # one place may be a gap between tensors
        content[len(content) // part] ^= 1
    if damage == "directory":  # a name in it that is no text any more
        content[content.rindex(b"data.pkl")] ^= 0x80
    size = {"truncated": len(content) // 2, "empty": 0}.get(damage, len(content))
    run.last.write_bytes(content[:size])
    with caplog.at_level(logging.WARNING):
        train(run.config, run.folder, resume=True, cache=run.cache)
    assert "last.ckpt: the checkpoint is damaged" in caplog.text
    assert f"going on from {run.last.with_name('previous.ckpt')}" in caplog.text
    _assert_same(whole, run.folder)


def test_damage_of_all_checkpoints_is_an_error(
    config: Config, cache: Path, tmp_path: Path
) -> None:
    train(override(config, ["training.max_epochs=2"]), tmp_path, cache=cache)
    for name in ("last.ckpt", "previous.ckpt"):
        (tmp_path / "checkpoints" / name).write_bytes(b"PK")
    named = r"last\.ckpt: the checkpoint is damaged .*, and no other is whole; delete"
    with pytest.raises(SiteNetError, match=named):
        train(config, tmp_path, resume=True, cache=cache)


def test_run_without_a_checkpoint_says_that_it_begins_anew(
    run: Run, stopped: Path, whole: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(stopped, run.folder)
    shutil.rmtree(run.folder / "checkpoints")
    with caplog.at_level(logging.WARNING):
        train(run.config, run.folder, resume=True, cache=run.cache)
    assert f"{run.folder}: no checkpoint, trained from the start" in caplog.text
    _assert_same(whole, run.folder)


def test_run_is_not_continued_by_another_number_of_processes(
    run: Run, stopped: Path, cache: Path
) -> None:
    shutil.copytree(stopped, run.folder)
    state = torch.load(run.last, weights_only=True)
    assert state["num_processes"] == 1
    torch.save(state | {"num_processes": 2}, run.last)
    named = r"has 2 processes .* not 1, with which .* continue it with 2 \(--devices"
    with pytest.raises(ConfigError, match=named):
        train(run.config, run.folder, resume=True, cache=cache)


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
    assert "(ulimit -f) and continue with resume (--resume)" in message
    assert run.last.read_bytes() == before
    assert not list(run.last.parent.glob(".*"))
    run.finish()
    _assert_same(whole, run.folder)


def test_run_folder_says_with_what_it_was_made(whole: Path) -> None:
    (start,) = json.loads((whole / "environment.json").read_text())["starts"]
    assert start["versions"]["torch"] == version("torch")
    assert {"python", "lightning", "pyg-sitenet"} <= set(start["versions"])
    assert start["devices"] == 1
