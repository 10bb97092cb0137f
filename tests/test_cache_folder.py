import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.errors import ConfigError


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


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG is of Linux")
@pytest.mark.parametrize("value", ["", ".", "cache", "../cache"])
def test_empty_or_relative_xdg_folder_counts_as_unset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.delenv("PYG_SITENET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "pyg_sitenet"


@pytest.mark.skipif(sys.platform == "win32", reason="HOME is of Unix")
@pytest.mark.parametrize("value", [".", "home"])
def test_relative_home_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("PYG_SITENET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", value)
    with pytest.raises(ConfigError, match=f"absolute path, got '{value}'; set HOME"):
        cache_folder()


@pytest.mark.skipif(sys.platform == "win32", reason="no passwd")
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="not root")
def test_user_without_passwd_entry_is_told_what_to_set() -> None:
    code = (
        "import os; os.setuid(54321)\n"
        "from pyg_sitenet.cache_folder import cache_folder\n"
        "from pyg_sitenet.errors import ConfigError\n"
        "try:\n    cache_folder()\n"
        "except ConfigError as error:\n    print(error)"
    )
    names = ("HOME", "PYG_SITENET_CACHE", "XDG_CACHE_HOME")
    env = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-c", "import pyg_sitenet.cache_folder\n" + code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no home folder to keep the cache in")
