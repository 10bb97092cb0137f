"""The compiled layer is made once, and is never needed."""

import logging

import pytest

from pyg_sitenet.nn.fast.native.library import load_library


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_library.cache_clear()
    yield
    load_library.cache_clear()


def test_the_library_is_made_once(tmp_path):
    if load_library() is None:
        pytest.skip("no C compiler")
    (library,) = (tmp_path / "pyg_sitenet").iterdir()
    made = library.stat().st_mtime_ns
    load_library.cache_clear()
    assert load_library() is not None
    assert library.stat().st_mtime_ns == made


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_compiler_that_fails_is_done_without(monkeypatch, caplog, compiler):
    monkeypatch.setenv("CC", compiler)
    with caplog.at_level(logging.INFO, logger="pyg_sitenet"):
        assert load_library() is None
    assert "PyTorch's operations serve" in caplog.text


def test_an_environment_variable_switches_it_off(monkeypatch, tmp_path):
    monkeypatch.setenv("PYG_SITENET_NATIVE", "0")
    assert load_library() is None
    assert not list(tmp_path.iterdir())
