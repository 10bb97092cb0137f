"""The compiled layer is made once, tried before it serves, and is never needed."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_sitenet.nn.fast.native.compiler import build_identity
from pyg_sitenet.nn.fast.native.library import load_library

CC = shutil.which(os.environ.get("CC") or "cc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler")


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    load_library.cache_clear()
    yield
    load_library.cache_clear()


@pytest.fixture(scope="module")
def good_library(tmp_path_factory):
    """A library that was made and tried once, to be copied."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        load_library.cache_clear()
        assert load_library() is not None
    (library,) = (cache / "pyg_sitenet" / "native").iterdir()
    return library


@pytest.fixture
def cached(good_library, tmp_path):
    """The good library in the fresh cache."""
    folder = tmp_path / "cache" / "pyg_sitenet" / "native"
    folder.mkdir(parents=True, mode=0o700)
    return Path(shutil.copy2(good_library, folder))


@pytest.fixture
def no_compiler(monkeypatch, cached):
    """A compiler of the same name that fails: only what is there can be loaded."""
    monkeypatch.setattr(
        "pyg_sitenet.nn.fast.native.library.build_identity",
        lambda _: cached.name.split("-")[1],
    )
    monkeypatch.setenv("CC", "false")


def _compiler(tmp_path, script):
    """A compiler that makes $OUT by a shell script."""
    path = tmp_path / "cc"
    find = 'while [ "$1" != "-o" ]; do shift; done; OUT=$2\n'
    path.write_text(f'#!/bin/sh\nreal() {{ {CC} "$@"; }}\n{script.format(find=find)}')
    path.chmod(0o755)
    return str(path)


def _reason(caplog):
    with caplog.at_level(logging.INFO, logger="pyg_sitenet"):
        assert load_library() is None
    (record,) = caplog.records
    message = record.getMessage()
    assert "PyTorch's operations serve" in message
    assert "\n" not in message
    assert len(message) < 400
    return message


@needs_compiler
def test_the_library_is_made_once_in_a_private_folder(good_library, monkeypatch):
    assert good_library.parent.stat().st_mode & 0o077 == 0
    assert good_library.stat().st_mode & 0o022 == 0
    made = good_library.stat().st_mtime_ns
    monkeypatch.setenv("XDG_CACHE_HOME", str(good_library.parents[2]))
    assert load_library() is not None
    assert good_library.stat().st_mtime_ns == made


@pytest.mark.usefixtures("no_compiler")
@needs_compiler
def test_a_library_that_was_tried_serves_without_a_compiler():
    assert load_library() is not None


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_compiler_that_fails_is_done_without(monkeypatch, caplog, compiler):
    monkeypatch.setenv("CC", compiler)
    _reason(caplog)


def test_words_of_a_compiler_that_are_no_utf8_are_logged(monkeypatch, caplog, tmp_path):
    monkeypatch.setenv(
        "CC", _compiler(tmp_path, "printf 'no\\377\\n\\nroom' >&2; exit 1")
    )
    assert "failed: no� room" in _reason(caplog)


WRONG = {
    "cut off": ('real "$@"; {find}dd if=/dev/null of="$OUT" bs=1 seek=9000', ""),
    "another function": (
        '{find}echo "int other;" > x.c; real -shared -fPIC x.c -o "$OUT"',
        "holds no function sitenet_run",
    ),
    "does nothing": (
        '{find}echo "int sitenet_run() {{ return 0; }}" > "$OUT.c"\n'
        'real -shared -fPIC "$OUT.c" -o "$OUT"',
        "result 0: off by",
    ),
    "crashes": (
        '{find}echo "int sitenet_run() {{ return *(volatile int *)8; }}" > "$OUT.c"\n'
        'real -shared -fPIC "$OUT.c" -o "$OUT"',
        "its process ended with -11",
    ),
}


@needs_compiler
@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_library_is_never_used(monkeypatch, caplog, tmp_path, kind):
    script, reason = WRONG[kind]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CC", _compiler(tmp_path, script))
    assert reason in _reason(caplog)
    (refusal,) = (tmp_path / "cache" / "pyg_sitenet" / "native").iterdir()
    caplog.clear()
    load_library.cache_clear()
    assert f"remove {refusal} to try again" in _reason(caplog)


@pytest.mark.usefixtures("no_compiler")
@needs_compiler
@pytest.mark.parametrize("size", [0, 9000])
def test_a_library_that_was_cut_off_later_is_not_loaded(cached, caplog, size):
    os.truncate(cached, size)
    assert "false failed" in _reason(caplog)


@pytest.mark.usefixtures("no_compiler")
@needs_compiler
@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_a_library_that_others_may_write_is_not_loaded(cached, caplog, mode):
    cached.chmod(mode)
    assert "false failed" in _reason(caplog)


@needs_compiler
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_is_not_used(cached, caplog, mode):
    cached.parent.chmod(mode)
    assert "that nobody else may write to or replace" in _reason(caplog)


@needs_compiler
def test_a_folder_that_others_may_replace_is_not_used(cached, caplog):
    cached.parents[2].chmod(0o777)
    assert "or replace; remove it" in _reason(caplog)


@pytest.mark.parametrize("variables", [{"PATH": ""}, {"PATH": "."}, {"CC": "./cc"}])
def test_a_compiler_beside_the_data_is_not_started(monkeypatch, tmp_path, variables):
    started = tmp_path / "started"
    _compiler(tmp_path, f"touch {started}; exit 1")
    monkeypatch.chdir(tmp_path)
    for name, value in ({"CC": ""} | variables).items():
        monkeypatch.setenv(name, value)
    assert load_library() is None
    assert not started.exists()


@pytest.mark.usefixtures("no_compiler")
@needs_compiler
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="not root")
@pytest.mark.parametrize("foreign", ["file", "folder"])
def test_what_another_user_owns_is_not_loaded(cached, caplog, foreign):
    os.chown(cached if foreign == "file" else cached.parent, 12345, 12345)
    expected = "false failed" if foreign == "file" else "nobody else"
    assert expected in _reason(caplog)


@pytest.mark.usefixtures("no_compiler")
@needs_compiler
def test_a_link_to_a_library_is_not_loaded(cached, caplog, tmp_path):
    cached.rename(tmp_path / "elsewhere.so")
    cached.symlink_to(tmp_path / "elsewhere.so")
    assert "false failed" in _reason(caplog)


@needs_compiler
@pytest.mark.parametrize("folder", ["", ".", "data"])
def test_a_library_beside_the_data_is_never_loaded(
    good_library, monkeypatch, tmp_path, folder
):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    places = [Path(folder, "pyg_sitenet"), Path(folder, "pyg_sitenet", "native")]
    for place in places:
        place.mkdir(mode=0o700)
        shutil.copy2(good_library, place)
        shutil.copy2(good_library, place / f"layer-{build_identity(CC)}.so")
    shutil.copytree(good_library.parents[1], tmp_path / "home/.cache/pyg_sitenet")
    assert Path(load_library()._name).is_relative_to(tmp_path / "home")


def test_a_user_without_a_home_is_served(monkeypatch, caplog):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _no_entry)
    assert "no home folder" in _reason(caplog)


def _no_entry():
    raise RuntimeError("Could not determine home directory.")


@needs_compiler
def test_nothing_is_imported_from_the_current_folder(monkeypatch, tmp_path):
    (tmp_path / "ctypes.py").write_text("open('trace', 'w')\n")
    (tmp_path / "torch.py").write_text("open('trace', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".", *sys.path])
    assert load_library() is not None
    assert not (tmp_path / "trace").exists()


def test_an_import_compiles_nothing(tmp_path):
    subprocess.run(
        [sys.executable, "-c", "import pyg_sitenet.nn"], check=True, timeout=300
    )
    assert not (tmp_path / "cache").exists()


def test_an_environment_variable_switches_it_off(monkeypatch, tmp_path):
    monkeypatch.setenv("PYG_SITENET_NATIVE", "0")
    assert load_library() is None
    assert not list(tmp_path.iterdir())
