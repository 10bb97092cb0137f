from pathlib import Path

import pytest

from pyg_sitenet.cache_folder import cache_folder


def test_cache_is_argument_then_variable_then_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("PYG_SITENET_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert tmp_path in cache_folder().parents
    assert cache_folder().name == "pyg_sitenet"
    monkeypatch.setenv("PYG_SITENET_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert cache_folder(tmp_path / "other") == tmp_path / "other"
