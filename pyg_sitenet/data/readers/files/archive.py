"""Zip archives, read in place and with limits: they come from anywhere."""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from pyg_sitenet.data.readers.content import Member
from pyg_sitenet.data.readers.files.file_names import index_files, indexed, visible
from pyg_sitenet.data.structure.compression import MAX_RATIO, READ_ERRORS
from pyg_sitenet.data.structure.formats import format_of
from pyg_sitenet.data.structure.text import TextFile, check_file, hash_file
from pyg_sitenet.errors import DataError, StructureError

# Far above any set of crystals, far below what an archive made to harm unpacks to. What
# is large streams (tables) or is copied to disk (trajectories, databases); the text of
# structures, which is held as a whole, has a bound of its own (content.py).
MAX_MEMBERS = 1_000_000
MAX_TOTAL_BYTES = 16 * 1024**3
MAX_MEMBER_BYTES = 4 * 1024**3
# A trajectory of so many bytes is read in memory.
MAX_HELD_BYTES = 64 * 1024**2
# Of any other compressed file, less what a small member may take: there may be many.
_UNSUSPICIOUS_BYTES = 2**20

_DRIVE = re.compile("[A-Za-z]:")


class Archive:
    """A zip archive, read in place: nothing is unpacked but what streams.

    Args:
        path: The archive.

    Raises:
        DataError: If it is no zip archive, or if it holds links, encrypted files,
            paths that lead out of it, or more than could be meant.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        try:
            check_file(path)
            self._zip = zipfile.ZipFile(path)
        except StructureError as error:
            raise DataError(str(error)) from error
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise DataError(f"{path}: not a zip archive: {error}") from error
        members = [member for member in self._zip.infolist() if not member.is_dir()]
        _check_members(path, members)
        self.files = visible(member.filename for member in members)
        self._index = index_files(self.files)

    def origin(self, name: str) -> str:
        """Say where a file is, for messages."""
        return f"{self.path}/{name}"

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return cast(BinaryIO, self._zip.open(name))

    def content(self, name: str) -> Member:
        """Return what a structure can be read from, when it is needed."""
        return Member(self.path, name)

    def file(self, name: str) -> TextFile:
        """Return what many structures can be read from, without unpacking it."""
        file_name = PurePosixPath(name).name
        entry = format_of(file_name)
        open_ = self._open_seekable if entry and entry.is_binary else self.open
        return TextFile(
            self.origin(name), partial(open_, name), file_name, StructureError
        )

    def _open_seekable(self, name: str) -> BinaryIO:
        """Copy a file to memory, or to the disk if it is large, to move about in it."""
        # Whoever asked for the file closes it.
        file = tempfile.SpooledTemporaryFile(MAX_HELD_BYTES)  # noqa: SIM115
        with self._zip.open(name) as packed:
            shutil.copyfileobj(packed, file)
        file.seek(0)
        return cast(BinaryIO, file)

    @contextmanager
    def on_disk(self, name: str) -> Iterator[Path]:
        """Give a file of its own to what can only read files, for a while.

        Raises:
            DataError: If it is damaged.
        """
        with tempfile.TemporaryDirectory(prefix="pyg_sitenet-") as folder:
            path = Path(folder) / PurePosixPath(name).name
            try:
                with self._zip.open(name) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file)
            except READ_ERRORS as error:
                raise DataError(f"{self.origin(name)}: damaged: {error}") from error
            yield path

    def find(self, key: str) -> list[str]:
        """Return the files that a path, a name or a name without ending means."""
        return indexed(self._index, key)

    def digest(self, names: Sequence[str]) -> str:  # noqa: ARG002
        """Hash the archive."""
        return hash_file(self.path)


def _check_members(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
        raise DataError(
            f"{path}: {len(members)} files of {total} bytes are more than the "
            f"{MAX_MEMBERS} files of {MAX_TOTAL_BYTES} bytes that are read from an "
            "archive; unpack it"
        )
    packed = sum(member.compress_size for member in members)
    if packed > path.stat().st_size:
        raise DataError(f"{path}: its files overlap; it was made to harm")
    for member in members:
        reason = _refusal(member)
        if reason:
            raise DataError(f"{path}: {member.filename!r} {reason}; unpack it yourself")


def _refusal(member: zipfile.ZipInfo) -> str:
    name = member.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if not parts:
        return "has no name"
    if name.startswith("/") or ".." in parts or _DRIVE.match(name):
        return "leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 0x1:
        return "is encrypted"
    large = member.file_size > _UNSUSPICIOUS_BYTES
    if member.file_size > MAX_MEMBER_BYTES or (
        large and member.file_size > MAX_RATIO * member.compress_size
    ):
        return f"would unpack to {member.file_size} bytes"
    return ""
