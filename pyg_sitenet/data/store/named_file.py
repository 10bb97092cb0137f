"""Content-addressed files: the name holds the SHA-256, so damage shows on opening."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pyg_sitenet.atomic_write import sync_folder
from pyg_sitenet.errors import reporting_os_error

UNWRITABLE = "cannot write the encoded crystals"
_NAME = re.compile(r"(?P<stem>[\w-]+)-(?P<digest>[0-9a-f]{32})\.safetensors")


def write_content_addressed(folder: Path, stem: str, content: bytes) -> str:
    """Write a file, all of it or nothing, even if the machine stops meanwhile.

    Processes that write the same content do not disturb each other.

    Returns:
        Its name: the stem and a hash of the content.

    Raises:
        DataError: If the folder cannot be written.
    """
    name = f"{stem}-{_digest(content)}.safetensors"
    remedy = "choose a folder you may write to, on a disk with space"
    with reporting_os_error(folder, remedy, what=UNWRITABLE):
        folder.mkdir(parents=True, exist_ok=True)
        if not is_whole(folder / name):
            _write_at_once(folder / name, content)
    return name


def is_whole(path: Path) -> bool:
    """Tell whether a file is there and holds what its name says."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return has_digest(path.name, content)


def has_digest(name: str, content: bytes | memoryview) -> bool:
    """Tell whether a name was made from this content."""
    match = _NAME.fullmatch(name)
    return match is not None and match["digest"] == _digest(content)


def is_content_addressed(name: object) -> bool:
    """Tell whether this is the name of such a file, and no path to another place."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def list_content_addressed(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield stem and name of the files of a folder, sorted by name."""
    if os.path.isdir(folder):  # False where one may not look
        for name in sorted(os.listdir(folder)):
            match = _NAME.fullmatch(name)
            if match is not None:
                yield match["stem"], name


def remove_unfinished(folder: Path) -> None:
    """Remove what processes left that were killed while they wrote."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _write_at_once(path: Path, content: bytes) -> None:
    # Not through atomic_write: there the last of several writers wins, here the first
    # does, since all write the same and a reader may have the file mapped.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            part.replace(path)
        except OSError:
            # Another process wrote the same, and tidied up or has it open.
            if not is_whole(path):
                raise
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
