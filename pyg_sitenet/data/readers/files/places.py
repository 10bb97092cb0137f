"""Places that hold files: a folder, or a folder with archives beside a table."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pyg_sitenet.atomic_write import read_problem
from pyg_sitenet.data.readers.content import Member
from pyg_sitenet.data.readers.files.archive import Archive
from pyg_sitenet.data.readers.files.file_names import (
    index_files,
    indexed,
    is_archive,
    visible,
)
from pyg_sitenet.data.structure.text import hash_readable
from pyg_sitenet.errors import DataError

_logger = logging.getLogger(__name__)


class Folder:
    """A folder of files.

    Args:
        root: The folder.
        recursive: Look into the folders below it too.

    Raises:
        DataError: If it cannot be looked into.
    """

    def __init__(self, root: Path, *, recursive: bool = True) -> None:
        self.root = root
        self.name = str(root)
        try:
            paths = list(_files_below(root) if recursive else root.iterdir())
        except OSError as error:
            raise DataError(
                f"{error.filename or root}: the folder {read_problem(error)}"
            ) from error
        # Links to nothing and pipes are listed too: reading them says what is wrong.
        self.files = visible(
            path.relative_to(root).as_posix() for path in paths if not path.is_dir()
        )
        self._index = index_files(self.files)

    def origin(self, name: str) -> str:
        """Say where a file is, for messages."""
        return str(self.root / name)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading.

        Raises:
            DataError: If it is a pipe or the like, which would be waited for.
        """
        path = self.root / name
        if path.exists() and not path.is_file():
            raise DataError(
                f"{path}: a pipe, socket or device where a file is expected"
            )
        if path.exists() and not path.stat().st_size:
            return BytesIO()  # what the system shows as a file may keep readers waiting
        return path.open("rb")

    def content(self, name: str) -> Path | Member:
        """Return what a structure can be read from."""
        return self.root / name

    def file(self, name: str) -> Path:
        """Return what many structures can be read from."""
        return self.root / name

    @contextmanager
    def on_disk(self, name: str) -> Iterator[Path]:
        """Give the path of a file to what can only read files."""
        yield self.root / name

    def find(self, key: str) -> list[str]:
        """Return the files that a path, a name or a name without ending means."""
        try:
            if (self.root / key).is_file():
                return [key]
        except (OSError, ValueError):  # too long, or characters no path can have
            return []
        return indexed(self._index, key)

    def digest(self, names: Sequence[str]) -> str:
        """Hash names and contents of files; one that cannot be read has none."""
        digest = hashlib.sha256()
        for name in names:
            path = self.root / name
            content = hash_readable(path)
            digest.update(f"{name}\0{content}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


def _files_below(root: Path) -> Iterator[Path]:
    """Yield the files of a folder and of all below it, also through links to folders.

    What several links lead to is looked into once, and a link upwards not at all.
    """
    whole, visited, waiting = root.resolve(), set[tuple[int, int]](), [root]
    while waiting:
        for place, folders, names in os.walk(waiting.pop(0), onerror=_raise):
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in visited:
                folders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            links = [Path(place, name) for name in folders]
            waiting += [
                link
                for link in sorted(links)
                if link.is_symlink() and not whole.is_relative_to(link.resolve())
            ]
            yield from (Path(place, name) for name in names)


def _raise(error: OSError) -> None:
    """Raise what ``os.walk`` would pass over: crystals would be missing in silence."""
    raise error


class FolderWithArchives(Folder):
    """A folder whose files may also lie in zip archives beside them.

    Args:
        folder: The folder, which is not looked into again.
    """

    def __init__(self, folder: Folder) -> None:
        vars(self).update(vars(folder))

    @cached_property
    def _archives(self) -> dict[str, Archive]:
        """Open the archives; one that cannot be used is as if it were not there."""
        archives = {}
        for name in filter(is_archive, self.files):
            try:
                archives[name] = Archive(self.root / name)
            except DataError as error:
                _logger.warning("not looked into: %s", error)
        return archives

    def content(self, name: str) -> Path | Member:
        """Return what a structure can be read from."""
        archive, separator, member = name.partition("//")
        if separator:
            return self._archives[archive].content(member)
        return super().content(name)

    def find(self, key: str) -> list[str]:
        """Return the files that a path, a name or a name without ending means."""
        return super().find(key) or [
            f"{name}//{member}"
            for name, archive in self._archives.items()
            for member in archive.find(key)
        ]

    def digest(self, names: Sequence[str]) -> str:
        """Hash names and contents of files, and of archives with such files."""
        files = sorted({name.partition("//")[0] for name in names})
        return super().digest(files)


Place = Folder | Archive
