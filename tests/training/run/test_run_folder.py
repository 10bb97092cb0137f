from __future__ import annotations

from pathlib import Path

import pytest

from pyg_sitenet.config import Config, load_config, override
from pyg_sitenet.errors import SiteNetError
from pyg_sitenet.training.run.record import write_config
from pyg_sitenet.training.run.run_folder import RunFolder, open_run_folder


def test_folders_are_made(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a" / "b")
    open_run_folder(folder, Config(), resume=False)
    assert folder.checkpoints.is_dir()
    assert folder.figures.is_dir()


def test_attempt_that_failed_early_does_not_block_the_next(tmp_path: Path) -> None:
    open_run_folder(RunFolder(tmp_path), Config(), resume=False)
    open_run_folder(RunFolder(tmp_path), Config(), resume=False)


def test_config_is_complete(tmp_path: Path) -> None:
    config = override(Config(), ["model.heads=5"])
    write_config(RunFolder(tmp_path), config)
    assert load_config(tmp_path / "config.yaml") == config
    assert "amsgrad: true" in (tmp_path / "config.yaml").read_text()


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SiteNetError, match=r"file/run: the output folder cannot be"):
        open_run_folder(RunFolder(tmp_path / "file" / "run"), Config(), resume=False)
    with pytest.raises(SiteNetError, match="the output folder cannot be written"):
        write_config(RunFolder(tmp_path / "gone"), Config())


def test_longer_training_may_be_resumed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    open_run_folder(folder, Config(), resume=False)
    write_config(folder, Config())
    longer = override(Config(), ["training.max_epochs=500", "data.workers=2"])
    open_run_folder(folder, longer, resume=True)
