"""A search that somebody else began is not read: its state is pickled."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.tuning.ownership import check_others, check_own, note_own


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pyg_sitenet" / "searches"


def test_own_search_is_continued(tmp_path: Path) -> None:
    note_own(tmp_path / "search")
    check_own(tmp_path / "search")


def test_search_of_another_folder_is_not(tmp_path: Path) -> None:
    note_own(tmp_path / "search")
    with pytest.raises(SiteNetError, match="not begun here by this user"):
        check_own(tmp_path / "other")


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_note_that_others_may_have_written_does_not_count(
    tmp_path: Path, cache: Path, mode: int
) -> None:
    note_own(tmp_path / "search")
    cache.chmod(mode)
    with pytest.raises(SiteNetError, match="begin it anew"):
        check_own(tmp_path / "search")


def test_user_without_a_cache_is_told(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.parents[1].write_text("no folder")
    note_own(tmp_path / "search")
    assert "continued with trust alone" in caplog.text
    with pytest.raises(SiteNetError, match=r"--trust"):
        check_own(tmp_path / "search")


@pytest.mark.parametrize("name", ["best.yaml", "trials.csv", "search_plan.json"])
def test_files_of_others_are_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(SiteNetError, match="was written by something else and would"):
        check_others(tmp_path, "dielectric")
    (tmp_path / "search.yaml").touch()  # a search that was stopped early
    check_others(tmp_path, "dielectric")
