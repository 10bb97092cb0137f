"""Checkpoint files that are damaged, cannot be written, or are gone."""

from __future__ import annotations

import logging
import os
import random
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_sitenet.config import Config, override
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.model_file import load_model, read_description
from pyg_sitenet.training import train
from pyg_sitenet.training.loop.checkpoint_files import (
    last_good,
    load_checkpoint,
    write_checkpoint,
)
from pyg_sitenet.training.run.record import write_config
from pyg_sitenet.training.run.run_folder import RunFolder

STATE = {"epoch": 3, "weights": {str(k): torch.full((99, 99), k) for k in range(6)}}


def _are_equal(first: Any, other: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, other)
    if isinstance(first, dict):
        return first.keys() == other.keys() and all(
            _are_equal(first[key], other[key]) for key in first
        )
    if isinstance(first, list | tuple):
        pairs = zip(first, other, strict=True)
        return all(_are_equal(left, right) for left, right in pairs)
    return bool(first == other)


def _damaged(content: bytes, draw: random.Random) -> bytes:
    """Cut a file, or flip one of its bits: half of the times in the list at its end."""
    if draw.random() < 0.2:
        return content[: draw.randrange(len(content))]
    start = draw.choice([0, content.index(b"PK\x01\x02")])
    changed = bytearray(content)
    changed[draw.randrange(start, len(content))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def test_damage_anywhere_is_found_and_the_checkpoint_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, draw = RunFolder(tmp_path), random.Random(0)
    folder.checkpoints.mkdir()
    before, newest = (
        {"epoch": epoch, "weights": {str(k): torch.full((3,), epoch) for k in range(5)}}
        for epoch in (1, 2)
    )
    write_checkpoint(folder.last, before)
    write_checkpoint(folder.last, newest, keep=folder.previous)
    content, num_found = folder.last.read_bytes(), 0
    for _ in range(300):
        folder.last.write_bytes(_damaged(content, draw))
        caplog.clear()
        outcome = last_good(folder)
        assert outcome is not None
        if outcome[0] == folder.last:  # the bit says nothing, as of a date
            assert _are_equal(outcome[1], newest)
            continue
        num_found += 1
        assert _are_equal(outcome[1], before)
        assert "last.ckpt: the checkpoint is damaged" in caplog.text
    assert num_found > 150


@pytest.mark.parametrize(
    ("place", "bit", "reason"),
    [(38, 16, "data/5 is marked as a folder"), (10, 8, "while decompressing data")],
    ids=["folder", "compressed"],
)
def test_damage_of_what_the_file_says_of_a_tensor_is_found(
    place: int, bit: int, reason: str, tmp_path: Path
) -> None:
    # Of a folder torch would read nothing and give a tensor of what is in the memory.
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/5"))
    content[entry + place] ^= bit
    path.write_bytes(content)
    with pytest.raises(SiteNetError, match=f"the checkpoint is damaged .*{reason}"):
        load_checkpoint(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"there is no mount: {error}")
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def _fill(disk: Path, free: int) -> None:
    """Leave so many bytes of it."""
    state = os.statvfs(disk)
    size = state.f_bavail * state.f_frsize - free
    (disk / "other").write_bytes(bytes(size))


@pytest.mark.parametrize("free", [0, 4096, 40960, 122880, 200704, 233472])
def test_full_disk_is_named_and_leaves_the_old_checkpoint(
    small_disk: Path, free: int
) -> None:
    path = small_disk / "last.ckpt"
    write_checkpoint(path, STATE)
    before = path.read_bytes()
    assert len(before) > free, "it would fit"
    _fill(small_disk, free)
    message = r"last\.ckpt: .*written: No space left on device; the one before is kept:"
    with pytest.raises(SiteNetError, match=message):
        write_checkpoint(path, STATE | {"epoch": 4}, keep=small_disk / "previous.ckpt")
    assert path.read_bytes() == before
    assert _are_equal(load_checkpoint(path), STATE)
    assert sorted(item.name for item in small_disk.iterdir()) == ["last.ckpt", "other"]


def test_limit_on_the_size_of_files_is_no_full_disk(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    message = r"File too large: raise the limit .* \(ulimit -f\) and continue"
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
    try:
        with pytest.raises(SiteNetError, match=message):
            write_checkpoint(tmp_path / "last.ckpt", STATE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("free", [0, 40960])
def test_full_disk_without_a_checkpoint_promises_none(
    small_disk: Path, free: int
) -> None:
    _fill(small_disk, free)
    message = "written: No space left on device: free some space and continue"
    with pytest.raises(SiteNetError, match=message):
        write_checkpoint(small_disk / "last.ckpt", STATE)
    assert [item.name for item in small_disk.iterdir()] == ["other"]


def test_full_disk_leaves_the_old_configuration(small_disk: Path) -> None:
    folder = RunFolder(small_disk)
    write_config(folder, Config())
    before = folder.config.read_text()
    _fill(small_disk, 0)
    longer = override(Config(), ["training.max_epochs=500"])
    with pytest.raises(
        SiteNetError, match=r"cannot be written: No space left .* with resume"
    ):
        write_config(folder, longer)
    assert folder.config.read_text() == before
    assert not list(small_disk.glob(".*"))


@pytest.mark.parametrize("free", [16_384, 600_000], ids=["events", "figures"])
def test_run_on_a_full_disk_goes_on_when_there_is_space(
    free: int, config: Config, cache: Path, small_disk: Path
) -> None:
    # Full where TensorBoard begins to write, and when there is no more to train.
    short = override(config, ["training.max_epochs=2"])
    _fill(small_disk, free)
    message = r"run.* cannot be written: No space left on device[;:] .*\(--resume\)"
    with pytest.raises(SiteNetError, match=message):
        train(short, small_disk / "run", cache=cache)
    assert not (small_disk / "run" / "metrics.json").exists()
    (small_disk / "other").unlink()
    result = train(short, small_disk / "run", resume=True, cache=cache)
    assert result.metrics["epochs"] == 2


@pytest.fixture(scope="module")
def overtrained(
    config: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Config, Path]:
    """A run whose last epoch was not its best."""
    folder = tmp_path_factory.mktemp("overtrained") / "run"
    settings = ["data.val_fraction=0.4", "data.max_sites=12", "training.max_epochs=4"]
    config = override(config, [*settings, "training.learning_rate=0.1"])
    metrics = train(config, folder, cache=cache).metrics
    assert metrics["best_epoch"] < 4, "the case does not tell best from last"
    return config, folder


def test_damaged_best_checkpoint_is_an_error_that_says_what_is_lost(
    overtrained: tuple[Config, Path], cache: Path, tmp_path: Path
) -> None:
    config, original = overtrained
    folder = RunFolder(shutil.copytree(original, tmp_path / "run"))
    folder.best.write_bytes(folder.best.read_bytes()[:1000])
    model, metrics = folder.model.read_bytes(), folder.metrics.read_bytes()
    message = (
        r"best\.ckpt: the checkpoint is damaged .* has the weights of epoch \d, which "
        r"had the lowest validation error: restore it, or delete it and continue with "
        r"resume \(--resume\) to keep the weights of the last epoch, 4"
    )
    with pytest.raises(SiteNetError, match=message):
        train(config, folder.path, resume=True, cache=cache)
    assert (folder.model.read_bytes(), folder.metrics.read_bytes()) == (model, metrics)


def test_without_the_best_checkpoint_the_last_weights_are_kept_and_named(
    overtrained: tuple[Config, Path],
    cache: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config, original = overtrained
    folder = RunFolder(shutil.copytree(original, tmp_path / "run"))
    folder.best.unlink()
    with caplog.at_level(logging.WARNING):
        metrics = train(config, folder.path, resume=True, cache=cache).metrics
    assert "best.ckpt: missing; it had the weights of epoch" in caplog.text
    assert metrics["best_epoch"] == 4
    assert read_description(folder.path).metrics["best_epoch"] == 4
    (note,) = metrics["notes"]
    assert note.startswith("the weights are those of the last epoch: those of epoch ")
    logged = metrics["history"][3]["val/mae/band_gap"]
    assert metrics["targets"]["band_gap"]["val"]["mae"] == pytest.approx(logged, 1e-5)
    state = load_checkpoint(folder.last)["state_dict"]
    for name, tensor in load_model(folder.path)[0].state_dict().items():
        # Rows of the element table are limited to norm 1 when they are first used.
        if name != "site_embedding.elements.weight":
            assert torch.equal(tensor, state[f"model.{name}"]), name


def test_checkpoint_that_may_not_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    for path in (folder.previous, folder.last):
        write_checkpoint(path, {"epoch": 1})

    def refuse(path: Path) -> None:
        if path == folder.last:
            raise PermissionError(13, "Permission denied", str(path))

    name = "pyg_sitenet.training.loop.checkpoint_files.check_stored"
    monkeypatch.setattr(name, refuse)
    with pytest.raises(
        SiteNetError, match=r"last\.ckpt: the checkpoint cannot be read"
    ):
        last_good(folder)
