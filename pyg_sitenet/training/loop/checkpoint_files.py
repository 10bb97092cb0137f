"""Files of training states: written at once, checked when read, the last good found."""

from __future__ import annotations

import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from pyg_sitenet.atomic_write import (
    DAMAGE,
    check_stored,
    os_reason,
    read_problem,
    replacing,
    room_remedy,
)
from pyg_sitenet.brief import brief_line
from pyg_sitenet.config import Config, load_config
from pyg_sitenet.errors import ConfigError, SiteNetError
from pyg_sitenet.training.run.run_folder import RunFolder

_logger = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint all or nothing, and reads it without unpickling objects.

    The storage option ``keep`` names the file that the one before is kept as.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        """Write to a file beside it, wait for the disk, then rename."""
        keep = (storage_options or {}).get("keep")
        write_checkpoint(Path(path), checkpoint, keep=keep)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",  # noqa: ANN401 - what torch.load takes
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read tensors and plain values alone."""
        del weights_only
        return load_checkpoint(Path(path), map_location)


def write_checkpoint(
    path: Path, state: dict[str, Any], *, keep: Path | None = None
) -> None:
    """Write a checkpoint so that there is a whole one at every moment.

    Args:
        path: Where it goes.
        state: Tensors and plain values.
        keep: Where the one before goes.

    Raises:
        SiteNetError: If it cannot be written, as on a full disk; the old one stays.
    """
    try:
        with replacing(path, keep=keep) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:  # torch hides some errors of the disk
        note = "; the one before is kept" if path.exists() else ""
        reason = os_reason(error)
        raise SiteNetError(
            f"{path}: the checkpoint cannot be written: "
            f"{reason or brief_line(error)}{note}: {room_remedy(reason)} and continue"
            " with resume (--resume)"
        ) from error


def load_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401
    """Read a training checkpoint; only tensors and plain values, nothing unpickled.

    Raises:
        SiteNetError: If the file is damaged, holds anything else or may not be read.
    """
    try:
        check_stored(path)  # before the sums, for which all of it is unpacked
        _check_sums(path)
        state: dict[str, Any] = torch.load(
            path, map_location=map_location, weights_only=True
        )
    except PermissionError as error:
        raise SiteNetError(f"{path}: the checkpoint {read_problem(error)}") from error
    except (*DAMAGE, OSError, pickle.UnpicklingError) as error:
        raise SiteNetError(
            f"{path}: the checkpoint is damaged ({brief_line(error)})"
        ) from error
    return state


def last_good(folder: RunFolder) -> tuple[Path, dict[str, Any]] | None:
    """Return the newest checkpoint that is whole; None if there is none at all.

    Raises:
        SiteNetError: If there are some and each is damaged, or one may not be read.
    """
    problem: SiteNetError | None = None
    for path in (folder.last, folder.previous):
        if not path.is_file():
            continue
        try:
            state = load_checkpoint(path)
        except SiteNetError as error:
            if isinstance(error.__cause__, PermissionError):
                raise  # it may be whole
            problem = problem or error
            continue
        if problem is not None:
            _logger.warning("%s; going on from %s", problem, path)
        return path, state
    if problem is not None:
        raise SiteNetError(
            f"{problem}, and no other is whole; delete the folder {folder.checkpoints} "
            "and continue with resume (--resume) to train from the start"
        ) from problem
    return None


def check_epochs(folder: RunFolder, config: Config) -> None:
    """Check that a run is not continued to an epoch that it has left behind.

    Raises:
        ConfigError: If it has had more epochs than are asked for.
    """
    most = config.training.max_epochs
    for path in (folder.path, *sorted(folder.path.glob("members/*"))):
        run = RunFolder(path)
        if (
            not run.config.is_file()
            or load_config(run.config).training.max_epochs <= most
        ):
            continue
        found = last_good(run)
        if found is not None:
            check_done(run, found[1], most)


def check_done(folder: RunFolder, state: dict[str, Any], most: int) -> None:
    """Check that a checkpoint has had no more epochs than are asked for.

    Raises:
        ConfigError: If it has.
    """
    done = state["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    if done > most:
        raise ConfigError(
            f"{folder.path}: has been trained for {done} epochs, more than the {most} "
            f"of training.max_epochs; give {done} to end it there, or train anew in "
            "another folder"
        )


def _check_sums(path: Path) -> None:
    """Compare the content with the sums it was written with, which torch does not."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        folders = [
            entry.filename for entry in archive.infolist() if entry.external_attr & 16
        ]
    if damaged is not None:
        raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    if folders:  # of which torch reads nothing, and gives whatever was in the memory
        raise zipfile.BadZipFile(f"{folders[0]} is marked as a folder")
