from __future__ import annotations

import os
import struct
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from pyg_sitenet.figures import plot_learning_curve, plot_parity

HISTORY = [
    {
        "epoch": float(k),
        "train/mae/gap": 2.0 / k,
        "val/mae/gap": 2.5 / k,
        "train/mae/n": 0.2,
    }
    for k in range(1, 6)
]


def _size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_learning_curve_has_a_panel_for_each_target(tmp_path: Path) -> None:
    first, two = tmp_path / "one.png", tmp_path / "two.png"
    baselines = {"gap": {"mean": 1.2, "composition": 0.7}}
    plot_learning_curve(
        first, HISTORY, {"gap": "eV"}, ["gap"], best_epoch=4, baselines=baselines
    )
    plot_learning_curve(two, HISTORY, {}, ["gap", "n"])
    assert _size(two)[0] == 2 * _size(first)[0]


@pytest.mark.parametrize("epochs", [0, 1])
def test_short_history_is_drawn(tmp_path: Path, epochs: int) -> None:
    plot_learning_curve(tmp_path / "a.png", HISTORY[:epochs], {}, ["gap"])
    assert _size(tmp_path / "a.png")


@pytest.mark.parametrize("count", [0, 1, 40])
def test_parity_of_any_number_of_crystals(tmp_path: Path, count: int) -> None:
    truth = np.linspace(0, 9, count)[:, None]
    plot_parity(tmp_path / "p.png", truth, truth + 0.3, {"gap": "eV"}, ["gap"])
    width, height = _size(tmp_path / "p.png")
    assert width == height


@pytest.mark.parametrize("name", ["a$\\bad{$", "$x^{$", "\udcff\x1b[2J\0\t", "x" * 999])
def test_any_name_is_shown_as_it_is(tmp_path: Path, name: str) -> None:
    values = np.ones((3, 1))
    plot_parity(tmp_path / "p.png", values, values, {name: name}, [name])
    assert _size(tmp_path / "p.png")


def test_settings_of_matplotlib_start_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file matplotlibrc in the current folder sets them."""
    for program in ("latex", "dvipng", "kpsewhich"):
        (tmp_path / program).write_text(
            f"#!/bin/sh\ntouch {tmp_path}/started\nexit 1\n"
        )
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with mpl.rc_context({"text.usetex": True}):
        plot_learning_curve(tmp_path / "a.png", HISTORY, {}, ["gap"])
    assert not (tmp_path / "started").exists()


def test_figures_leave_the_global_state_alone(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    plot_learning_curve(tmp_path / "a.png", HISTORY, {}, ["gap"])
    assert dict(mpl.rcParams) == before
