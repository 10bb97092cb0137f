"""One run at a time for an output file or folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyg_sitenet.errors import DataError, SiteNetError
from pyg_sitenet.file_locks import locked_file, locked_folder, own_folder


def test_second_run_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with locked_folder(folder):
        message = r"run: another run is writing to this folder; wait .* \(--output\)"
        with pytest.raises(SiteNetError, match=message), locked_folder(folder):
            pass


def test_folder_is_free_after_the_run_and_holds_what_it_wrote(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with locked_folder(tmp_path / "run"):
            (tmp_path / "run" / name).touch()
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["a", "b"]


def test_folder_that_stays_empty_is_not_left(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()


def test_folder_that_was_there_stays(tmp_path: Path) -> None:
    with locked_folder(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    message = "file: the output folder cannot be written: .*; choose another"
    with pytest.raises(SiteNetError, match=message), locked_folder(tmp_path / "file"):
        pass


def test_second_writer_of_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    message = r"out\.csv: another process is writing it; wait for its end"
    with (
        locked_file(file),
        pytest.raises(DataError, match=message),
        locked_file(file),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_place_where_no_file_can_be_made_is_not_taken_for_a_locked_one() -> None:
    reason = "cannot be written: No such file or directory; choose another"
    with (
        pytest.raises(DataError, match=f"^/proc/out.csv: {reason}"),
        locked_file(Path("/proc/out.csv")),
    ):
        pass
    with (
        pytest.raises(SiteNetError, match=f"^/proc: the output folder {reason}"),
        locked_folder(Path("/proc")),
    ):
        pass


def test_jobs_of_one_second_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = [own_folder(tmp_path / "runs" / "12-00-00") for _ in range(3)]
    names = [folder.name for folder in folders]
    assert names == ["12-00-00", "12-00-00_2", "12-00-00_3"]
    assert all(folder.is_dir() for folder in folders)


def test_own_folder_in_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(SiteNetError, match="the output folder cannot be written"):
        own_folder(tmp_path / "runs" / "12-00-00")
