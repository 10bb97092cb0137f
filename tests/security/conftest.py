"""Commands run as people run them: in this process, or in a child with limits."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from pyg_sitenet.cli.main import app

MODULE = "planted_by_a_file"
CIF = """data_CsCl
_cell_length_a 4.123
_cell_length_b 4.123
_cell_length_c 4.123
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Cs1 Cs 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""


class Ended(NamedTuple):
    """What a command in a child left; a signal that ended it is a negative code."""

    exit_code: int
    stdout: str
    stderr: str


class Predicted(NamedTuple):
    """Ids of the crystals that were predicted, and by origin why others were not."""

    ids: set[str]
    reasons: dict[str, str]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep encoded crystals and downloads out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYG_SITENET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def cif() -> str:
    """The text of a CIF without fault."""
    return CIF


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A CIF without fault."""
    path = tmp_path / "good.cif"
    path.write_text(CIF)
    return path


@pytest.fixture(scope="session")
def sitenet() -> Callable[..., Any]:
    """Run a command here; whatever happens, it ends without a traceback."""

    def run(*arguments: object) -> Any:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.fixture(scope="session")
def refused(sitenet: Callable[..., Any]) -> Callable[..., str]:
    """Run a command that ends with one short line, which is returned."""

    def run(*arguments: object) -> str:
        done = sitenet(*arguments)
        return one_line(done)

    return run


def one_line(done: Any) -> str:
    """Return the line that a refused command ended with."""
    assert done.exit_code == 1, (done.stdout, done.stderr)
    *before, line = done.stderr.strip().splitlines()
    assert line.startswith("Error: "), done.stderr
    assert "Traceback" not in done.stderr
    assert not [text for text in before if text.startswith("Error")]
    assert len(line) < 2000
    return line


@pytest.fixture(scope="session")
def predict(sitenet: Callable[..., Any]) -> Callable[..., Predicted]:
    """Predict inputs with a ready model."""

    def run(*inputs: object) -> Predicted:
        return read_json(
            sitenet("predict", "band-gap", *inputs, "--json", "--workers", 1)
        )

    return run


def read_json(done: Any) -> Predicted:
    """Read what `predict --json` printed."""
    assert done.stdout, done.stderr
    values = json.loads(done.stdout)
    ids = {row["id"] for row in values["predictions"]}
    return Predicted(ids, {row["origin"]: row["reason"] for row in values["failures"]})


@pytest.fixture(scope="session")
def warm(sitenet: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import what commands import when they run, so that limits are on their work."""
    path = tmp_path_factory.mktemp("warm") / "a.cif"
    path.write_text(CIF)
    assert sitenet("predict", "band-gap", path, "--workers", 1).exit_code == 0


@pytest.fixture(scope="session")
def in_child(warm: None) -> Callable[..., Ended]:  # noqa: ARG001
    """Run a command in a copy of this process, within limits of its own.

    `before` sets them there, `stdout` is where its output goes, and after `seconds` it
    is killed.
    """

    def run(
        *arguments: object,
        before: Callable[[], object] = bool,
        stdout: int | None = None,
        seconds: float = 120,
    ) -> Ended:
        pipes = os.pipe(), os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads
            pid = os.fork()
        if not pid:
            _be_child(pipes, [str(argument) for argument in arguments], before, stdout)
        for _, end in pipes:
            os.close(end)
        texts = _read(pid, [start for start, _ in pipes], seconds)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Ended(code, *texts)

    return run


def _be_child(
    pipes: Any, arguments: list[str], before: Callable[[], object], stdout: int | None
) -> None:
    code = 99
    try:
        os.setsid()
        (_, out), (_, err) = pipes
        os.dup2(out if stdout is None else stdout, 1)
        os.dup2(err, 2)
        os.closerange(3, 256)  # what the tests before it left open counts, too
        for name, end in {"stdout": 1, "stderr": 2}.items():
            setattr(sys, name, os.fdopen(end, "w", encoding="utf-8", closefd=False))
        warnings.simplefilter("default")
        before()
        app(arguments, prog_name="sitenet")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException:  # noqa: BLE001 - the child must not go on in pytest
        traceback.print_exc()
    try:
        sys.stderr.flush()
        sys.stdout.flush()
    except OSError:
        code = code or 120  # as Python itself ends
    os._exit(code)


def _read(pid: int, descriptors: list[int], seconds: float) -> list[str]:
    """Read until both are closed, and kill the child if that takes too long."""
    contents = dict.fromkeys(descriptors, b"")
    is_open, end = set(descriptors), time.monotonic() + seconds
    while is_open:
        ready, _, _ = select.select(is_open, (), (), max(0, end - time.monotonic()))
        if not ready:
            os.killpg(pid, signal.SIGKILL)
            end = time.monotonic() + 60
        for descriptor in ready:
            piece = os.read(descriptor, 1 << 16)
            contents[descriptor] += piece
            if not piece:
                is_open.remove(descriptor)
                os.close(descriptor)
    return [contents[descriptor].decode(errors="replace") for descriptor in descriptors]


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a module and a program where they can be found; either leaves this file."""
    folder, marker = tmp_path / "modules", tmp_path / "started"
    folder.mkdir()
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
    (folder / f"{MODULE}.py").write_text(code + "class Planted:\n    pass\n")
    (folder / "castep").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (folder / "castep").chmod(0o755)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CASTEP_COMMAND", str(folder / "castep"))
    yield marker
    assert MODULE not in sys.modules
    assert not marker.exists()
