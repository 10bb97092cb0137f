"""Full disks, closed pipes, few files, no processes, no shared memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[1] / "reference"
PREDICT = ("predict", "band-gap", "--workers", 1)
SMALL = (
    "data.max_atoms=20",
    "data.workers=1",
    "model.heads=2",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "training.max_epochs=1",
)
PAPER = """attention_heads: 3
site_dim_per_head: 30
attention_dim_interaction: 16
attention_blocks: 2
attention_hidden_layers: [225]
pre_pool_layers: [94]
post_pool_layers: [200, 200, 200]
embedding_size: 92
activation_function: mish
set_norm: layer
sym_func: mean
last_af_func: TReLU
"""


def limit(kind, number):
    return lambda: resource.setrlimit(kind, (number, number))


def assert_one_line(done, ended=(1,)):
    """Check that a command ended by itself and said why."""
    assert done.exit_code in ended, (done.exit_code, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert len(errors) == (done.exit_code != 0), done.stderr


@pytest.fixture
def crystals(tmp_path, good):
    """Thirty crystals of one kind that grow, and a table of made band gaps."""
    folder = tmp_path / "crystals"
    folder.mkdir()
    rows = ["file,band_gap"]
    for number in range(30):
        text = good.read_text().replace("4.123", f"4.{123 + number}")
        (folder / f"{number}.cif").write_text(text)
        rows.append(f"{number}.cif,{number / 10 + 1}")
    (folder / "gaps.csv").write_text("\n".join(rows))
    return folder


def commands(folder, crystals):
    """Return every command that writes, with how long a file it may write."""
    small = [word for setting in SMALL for word in ("--set", setting)]
    first, gap = crystals / "0.cif", ("-t", "band_gap")
    return {
        "predict": (200, *PREDICT, crystals, "-o", folder / "p.csv"),
        "evaluate": (900, "evaluate", "band-gap", crystals, "-o", folder / "e.csv"),
        "prepare": (9000, "prepare", crystals, *gap, "-o", folder / "prepared"),
        "train": (9000, "train", crystals, *gap, "-o", folder / "run", *small),
        "embed": (9000, "embed", "band-gap", crystals, "-o", folder / "v.npz"),
        "analyze": (1000, "analyze", "band-gap", crystals, "-o", folder / "a"),
        "crystal": (90_000, "analyze", "band-gap", first, "-o", folder / "one"),
        "converge": (900, "converge", "band-gap", crystals, "-o", folder / "c"),
        "convert": (9000, "convert", folder.parent / "best.ckpt",
                    folder.parent / "paper.yaml", "-o", folder / "m.safetensors"),
    }  # fmt: skip


FAST = ("predict", "embed", "convert")
SLOW = ("prepare", "evaluate", "train", "analyze", "crystal", "converge")


@pytest.mark.parametrize(
    "command", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_full_disk_is_told_in_one_line(tmp_path, crystals, in_child, command):
    import numpy as np
    import torch

    with np.load(REFERENCE / "state_rand.npz") as arrays:
        state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    (tmp_path / "paper.yaml").write_text(PAPER)
    folder = tmp_path / "out"
    folder.mkdir()
    size, *words = commands(folder, crystals)[command]
    done = in_child(*words, before=limit(resource.RLIMIT_FSIZE, size), seconds=400)
    assert_one_line(done)
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("Error")]
    assert "File too large" in line
    where = os.environ["PYG_SITENET_CACHE"] if command == "train" else folder
    assert str(where) in line  # training encodes the crystals first
    half = [path for path in folder.rglob("*") if path.name.endswith(".part")]
    assert half == []


def test_full_disk_behind_the_output_is_told(good, in_child):
    for words in ([], ["--json"]):
        descriptor = os.open("/dev/full", os.O_WRONLY)
        done = in_child(*PREDICT, good, *words, stdout=descriptor)
        os.close(descriptor)
        assert done.exit_code in (1, 120)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [PREDICT, (*PREDICT, "--json"), ("info",)])
def test_closed_pipe_ends_a_command_in_silence(good, in_child, words):
    start, end = os.pipe()
    os.close(start)
    done = in_child(*words, good, stdout=end)
    os.close(end)
    assert done.exit_code in (1, 120, 141, -13)
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.slow
def test_head_ends_a_real_command_in_silence(crystals, tmp_path):
    sitenet = shutil.which("sitenet", path=Path(sys.executable).parent)
    command = f"{sitenet} predict band-gap {crystals} | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path
    )
    assert len(done.stdout.splitlines()) == 1
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [8, 14, 40])
def test_few_open_files_are_enough_or_told(good, in_child, number):
    before = limit(resource.RLIMIT_NOFILE, number)
    assert_one_line(in_child(*PREDICT, good, before=before), ended=(0, 1))


def test_no_more_processes_are_told(good, in_child):
    def before():
        if os.geteuid() == 0:  # whom no limit binds
            for path in good.parents:
                path.chmod(0o755)
                if path.name.startswith("pytest-of-"):
                    break
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    done = in_child(*PREDICT, good, before=before)
    assert_one_line(done)
    assert "processes to encode crystals" in done.stderr or "process 1" in done.stderr


@pytest.mark.slow
def test_no_shared_memory_is_needed(good, crystals, tmp_path):
    """Predicts and trains where /dev/shm takes nothing."""
    mount = "mount -t tmpfs -o ro none /dev/shm"
    sitenet = shutil.which("sitenet", path=Path(sys.executable).parent)
    small = " ".join(f"--set {setting}" for setting in SMALL)
    run = f"{sitenet} predict band-gap {good} --json --workers 2"
    train = f"{sitenet} train {crystals} -t band_gap -o {tmp_path / 'run'} {small}"
    enter = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*enter, mount], capture_output=True).returncode:
        pytest.skip("/dev/shm cannot be hidden here")
    done = subprocess.run(
        [*enter, f"{mount} && {run} && {train}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["counts"]["used"] == 1
