"""Libraries beside the data, and damaged ones in the cache, through real commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CC = shutil.which("cc") or shutil.which("clang")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CC is None, reason="no C compiler"),
]
CODE = """#include <stdio.h>
__attribute__((constructor)) static void start(void) { fclose(fopen("%s", "w")); }
"""


@pytest.fixture
def folder(tmp_path, good):
    """The current folder of the commands, with a crystal in it."""
    (tmp_path / "data").mkdir()
    good.rename(tmp_path / "data" / "good.cif")
    return tmp_path / "data"


@pytest.fixture
def predicts(folder):
    """Predict the crystal with a cache of its own."""

    def run(cache: object) -> None:
        sitenet = shutil.which("sitenet", path=Path(sys.executable).parent)
        words = [sitenet, "predict", "band-gap", "good.cif", "--json", "--workers", "1"]
        environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
        environment.pop("PYG_SITENET_CACHE", None)
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
        assert len(json.loads(done.stdout)["predictions"]) == 1

    return run


@pytest.fixture
def library(tmp_path, predicts):
    """The library that a command made in an empty cache."""
    predicts(tmp_path / "cache")
    (path,) = (tmp_path / "cache").rglob("*.so")
    return path


def test_library_beside_the_data_is_not_loaded(tmp_path, folder, library, predicts):
    (tmp_path / "a.c").write_text(CODE % (tmp_path / "started"))
    below = library.relative_to(tmp_path / "cache")
    for cache in ("", ".", "below"):
        place = folder / cache / below
        place.parent.mkdir(parents=True, exist_ok=True)
        command = [CC, "-shared", "-fPIC", str(tmp_path / "a.c"), "-o", str(place)]
        subprocess.run(command, check=True)
        predicts(cache)
    assert not (tmp_path / "started").exists()


def test_command_leaves_no_library_beside_the_data(folder, predicts):
    for cache in ("", ".", "below"):
        predicts(cache)
        assert [path.name for path in folder.iterdir()] == ["good.cif"]


@pytest.mark.parametrize("size", [0, 100, -4096])
def test_library_that_was_cut_off_ends_no_command(tmp_path, library, predicts, size):
    library.write_bytes(library.read_bytes()[:size])
    predicts(tmp_path / "cache")
